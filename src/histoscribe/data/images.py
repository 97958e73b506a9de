"""Tiles of spots as input of networks: stored, in memory or read from the slide."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from histoscribe.data.tiles import SlideLook, Tiles, grid_order, tile_batches, tile_reader
from histoscribe.io.tile_store import TileOrigin, find_tiles, write_tiles
from histoscribe.progress import track
from histoscribe.types import Images, Section

_BATCH = 64


@final
class StackedTiles(Images):
    """Stored tiles of several sections, concatenated."""

    def __init__(
        self, parts: Sequence[tuple[UInt8[np.ndarray, "_ P P 3"], Int[np.ndarray, " _"]]]
    ) -> None:
        """Stack these rows of these sections."""
        self._arrays = [array for array, _ in parts]
        self.side_px = self._arrays[0].shape[1]
        self._part = np.repeat(np.arange(len(parts)), [len(rows) for _, rows in parts])
        self._row = np.concatenate([rows for _, rows in parts])

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Copy of the tiles of these rows; channels-last in memory."""
        pixels = np.empty((len(rows), self.side_px, self.side_px, 3), dtype=np.uint8)
        for place, row in enumerate(rows):
            pixels[place] = self._arrays[self._part[row]][self._row[row]]
        return torch.from_numpy(pixels).permute(0, 3, 1, 2)


@final
class ChosenTiles(Images):
    """Selected rows of other tiles, in a given order."""

    def __init__(self, images: Images, rows: Int[np.ndarray, " N"]) -> None:
        self.side_px = images.side_px
        self._images, self._rows = images, rows

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Tiles of these selected rows."""
        return self._images.read(self._rows[rows])


@final
class JoinedTiles(Images):
    """Tiles of several parts, one part after the other."""

    def __init__(self, parts: Sequence[tuple[Images, int]]) -> None:
        """Join tiles part by part; each part comes with its number of rows."""
        self.side_px = parts[0][0].side_px
        self._parts = [images for images, _ in parts]
        self._starts = np.cumsum([0, *(n_rows for _, n_rows in parts)])

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Tiles of these rows, each read from its part."""
        of = np.searchsorted(self._starts, rows, side="right") - 1
        tiles = torch.empty((len(rows), 3, self.side_px, self.side_px), dtype=torch.uint8)
        for part in np.unique(of):
            places = np.flatnonzero(of == part)
            read = self._parts[part].read(rows[places] - self._starts[part])
            tiles[torch.from_numpy(places)] = read
        return tiles


@final
class HeldTiles(Images):
    """Tiles that are already in memory."""

    def __init__(self, image: UInt8[Tensor, "N 3 P P"]) -> None:
        self.side_px = image.shape[-1]
        self._image = image

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Tiles of these rows."""
        return self._image[torch.from_numpy(rows)]


@final
class SlideTiles(Images):
    """Tiles of a section, read from its slide."""

    def __init__(self, section: Section, tiles: Tiles, slide_look: SlideLook | None = None) -> None:
        self.side_px = tiles.side_px
        self._read = tile_reader(section, tiles, slide_look)

    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Tiles of these spots."""
        return self._read(rows)


def stored_tiles(
    section: Section, tiles: Tiles, *, cache: Path, slide_look: SlideLook | None = None
) -> UInt8[np.ndarray, "N P P 3"]:
    """Map the tiles of every spot of a section, in the order of the spots; missing tiles are read.

    Raises
    ------
    DataContractError
        if the image is too coarse for the tiles.
    """
    tiles.check(section)
    origin = TileOrigin(
        slide=f"{section.slide.pixel_hash()} at {section.slide.mpp!r} um/px",
        spots=hashlib.sha256(np.ascontiguousarray(section.spots.xy).tobytes()).hexdigest(),
        tiles=tiles.identity,
    )
    found = find_tiles(cache, origin)
    if found is not None:
        return found
    order = grid_order(section.spots, section.slide.mpp)
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    images = tile_batches(section, tiles, batches, slide_look)
    pixels = (image.permute(0, 2, 3, 1).numpy() for image in images)
    read = zip(batches, track(pixels, f"tiles {section.id}", len(batches)), strict=True)
    write_tiles(cache, origin, (len(order), tiles.side_px, tiles.side_px, 3), read)
    return stored_tiles(section, tiles, cache=cache, slide_look=slide_look)
