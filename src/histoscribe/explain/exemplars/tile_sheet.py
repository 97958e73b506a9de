"""Tiles of the drawn strips in one picture, so that they can be drawn again in another size."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.image import imread

from histoscribe.io.atomic import replacing
from histoscribe.io.slides.thumbnail import jpeg
from histoscribe.plot.strips import Strip

FILE = "exemplars-tiles.jpg"
_BLANK, _CROSS = 235, 120  # grey of a missing tile, which is crossed out


def write_tiles(strips: Sequence[Strip], folder: Path) -> None:
    """Write the tiles of each strip as a row: the spot, then its exemplars."""
    side = next(len(strip.query.tile) for strip in strips if strip.query.tile is not None)
    crossed = np.eye(side, dtype=bool) | np.eye(side, dtype=bool)[::-1]
    blank = np.where(crossed[..., None], _CROSS, np.full((side, side, 3), _BLANK)).astype(np.uint8)
    rows = [
        [blank if one.tile is None else one.tile for one in (strip.query, *strip.neighbours)]
        for strip in strips
    ]
    sheet = np.concatenate([np.concatenate(row, axis=1) for row in rows])
    with replacing(folder / FILE) as temporary:
        temporary.write_bytes(jpeg(sheet))


def read_tiles(folder: Path, n_strips: int) -> list[list[UInt8[np.ndarray, "P P 3"]]]:
    """Read the tiles of each strip: the spot, then its exemplars."""
    sheet = np.asarray(imread(folder / FILE))
    side = len(sheet) // n_strips
    return [
        np.split(row, row.shape[1] // side, axis=1) for row in np.split(sheet, n_strips, axis=0)
    ]
