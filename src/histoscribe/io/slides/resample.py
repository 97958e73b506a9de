"""Area-true shrinking: every output pixel is the mean over the area it covers."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Float, Int, UInt8

Region = Callable[[int, int, int, int], UInt8[np.ndarray, "height width 3"]]
"""(left, top, right, bottom) in whole px -> those pixels; white outside the image."""

_BAND_ROWS = 64
"""Output rows computed at once: a band of a 10,000 px wide image stays under 100 MB."""
_BAND_BYTES = 256 << 20
"""Upper limit on source pixels of a band: large slides use fewer rows at once."""
_STRIP_ROWS, _STRIP_COLUMNS = 4, 680
"""Rows, and columns of a band, that stay in the cache of a processor."""


@dataclass(frozen=True)
class Box:
    """A rectangle in level-0 px; edges may be fractions and may lie outside the image."""

    left: float
    top: float
    right: float
    bottom: float


def shrink(
    region: Region, box: Box, width: int, height: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Read `box` at `width` x `height` px, weighting each source pixel by its covered area.

    Pillow's BOX filter takes whole pixels only, which at a scale of 1.5 is wrong by up to a third
    of a pixel. This function weights edge pixels by their covered fraction and rounds to the
    nearest level.
    """
    x_edges = np.linspace(box.left, box.right, width + 1)
    y_edges = np.linspace(box.top, box.bottom, height + 1)
    left, right = int(np.floor(box.left)), int(np.ceil(box.right))
    out = np.empty((height, width, 3), dtype=np.uint8)
    bytes_of_row = max(1.0, (box.bottom - box.top) / height) * 3 * (right - left)
    n_rows = int(min(max(_BAND_BYTES // bytes_of_row, 1), _BAND_ROWS))
    for start in range(0, height, n_rows):
        edges = y_edges[start : start + n_rows + 1]
        top, bottom = int(np.floor(edges[0])), int(np.ceil(edges[-1]))
        rows = _mean_of_rows(region(left, top, right, bottom), edges - top)
        for first in range(0, len(rows), _STRIP_ROWS):
            strip = _mean_of_columns(rows[first : first + _STRIP_ROWS], x_edges - left)
            out[start + first : start + first + len(strip)] = np.rint(strip)
    return out


def _mean_of_rows(
    values: UInt8[np.ndarray, "length width 3"], edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, "_ width 3"]:
    """Mean of a step function between neighbouring edges, along the first axis."""
    whole, part, step = _divided(edges, (-1, 1, 1))
    # an edge on the far border has no pixel behind it and a fraction of zero
    behind = np.minimum(whole, len(values) - 1)
    mean = np.empty((len(step), *values.shape[1:]))
    for left in range(0, values.shape[1], _STRIP_COLUMNS):
        strip = slice(left, left + _STRIP_COLUMNS)
        pixels = values[:, strip]
        area = np.zeros((len(whole), *pixels.shape[1:]))  # before each edge
        for i, (first, last) in enumerate(pairwise(whole)):
            # exact up to 8 million rows
            np.add(area[i], pixels[first:last].sum(axis=0, dtype=np.int32), out=area[i + 1])
        area += part * pixels[behind]
        np.divide(np.diff(area, axis=0), step, out=mean[:, strip])
    return mean


def _mean_of_columns(
    values: Float[np.ndarray, "rows length 3"], edges: Float[np.ndarray, " edges"]
) -> Float[np.ndarray, "rows _ 3"]:
    """Mean of a step function between neighbouring edges, along the second axis.

    Sums run from left to right: another order would round other values up.
    """
    whole, part, step = _divided(edges, (-1, 1))
    border = values.shape[1] - 1
    area = np.zeros((len(values), len(whole), 3))  # before each edge
    n_whole = np.diff(whole)
    for i in range(n_whole.max(initial=0)):
        pixels = values.take(np.minimum(whole[:-1] + i, border), axis=1)
        pixels[:, n_whole <= i] = 0.0
        area[:, 1:] += pixels
    np.cumsum(area, axis=1, out=area)
    area += part * values.take(np.minimum(whole, border), axis=1)
    return np.diff(area, axis=1) / step


def _divided(
    edges: Float[np.ndarray, " edges"], shape: tuple[int, ...]
) -> tuple[Int[np.ndarray, " edges"], np.ndarray, np.ndarray]:
    """Whole and fractional part of each edge, and the steps between them; the last two shaped."""
    whole = np.floor(edges).astype(np.int64)
    return whole, (edges - whole).reshape(shape), np.diff(edges).reshape(shape)
