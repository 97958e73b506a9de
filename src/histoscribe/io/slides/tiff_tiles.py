"""Tiles of one level of a TIFF, decoded one by one; damaged ones are named with their place."""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import UInt8

from histoscribe.io.slides import tiff
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.tile_cache import TileCache
from histoscribe.io.slides.tile_damage import (
    DamagedTile,
    DamagedTileError,
    damage_in,
    damaged_problem,
)

CACHE = TileCache(192 << 20)
"""Size for the tiles of all open TIFFs: a row of tiles of a slide 50,000 px wide is 77 MB at 512
px.
"""
_EDGE_PX = 8
"""Width of the strip of a neighbour that tells whether a missing tile lies in tissue."""
_GLASS = 200
"""Green of glass is above this, of most tissue below."""
_MOST_DARK = 0.1
_BAND_ROWS = 512

Pixels = UInt8[np.ndarray, "height width 3"]


class FileBytes:
    """A file read at explicit offsets: threads and forked workers share no file position."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = None
        if hasattr(os, "pread"):
            self._number = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._number)

    def read(self, offset: int, n_bytes: int) -> bytes:
        """Bytes from an offset; fewer where the file ends."""
        if self._number is not None:
            return os.pread(self._number, n_bytes, offset)
        with self.path.open("rb") as file:  # Windows has no pread
            file.seek(offset)
            return file.read(n_bytes)


@dataclass(frozen=True, eq=False)
class TiffTiles:
    """One level as tiles; a strip is a tile as wide as the image."""

    file: FileBytes
    stamp: tuple[int, ...]
    """Of the file: identifies its tiles in the cache, with the place of the page."""
    page: tifffile.TiffPage
    level: int
    full: tuple[int, int]
    """Width and height of level 0."""
    decode: Callable[..., tuple[np.ndarray | None, Any, Any]]
    """Created while the file is open: for JPEG tiles tifffile needs the first one."""
    width: int
    height: int
    sound: set[int] = field(default_factory=set)
    """Segments whose bytes were checked; shared by all readers of the file."""
    whole: set[tuple[int, int]] = field(default_factory=set)
    """Rows and columns of tiles that could be decoded."""

    @property
    def n_columns(self) -> int:
        """Number of tiles side by side."""
        return -(-self.page.imagewidth // self.width)

    @property
    def n_rows(self) -> int:
        """Number of rows of tiles."""
        return -(-self.page.imagelength // self.height)

    def get(self, row: int, column: int, *, fill: bool = False, keep: bool = True) -> Pixels:
        """Pixels of a tile; of a damaged one white if `fill`, else an error with its place.

        `keep` puts them into the cache.
        """
        try:
            return self._kept(row, column) if keep else self.decoded(row, column)
        except DamagedTileError as error:
            if fill:
                return self._white()
            tile = self._damaged(row, column, str(error))
            raise damaged_problem(str(self.file.path), tile) from error

    def damage(self, row: int, column: int) -> DamagedTile | None:
        """Damage of a tile; None for a sound one, and for a missing one amid glass."""
        if (row, column) in self.whole:
            return None
        try:
            self._kept(row, column)
        except DamagedTileError as error:
            return self._damaged(row, column, str(error))
        self.whole.add((row, column))
        return None

    def _kept(self, row: int, column: int) -> Pixels:
        key = (self.stamp, self.page.offset, row * self.n_columns + column)
        return CACHE.get(key, partial(self.decoded, row, column))

    def decoded(self, row: int, column: int) -> Pixels:
        """Decode a tile; raises `DamagedTileError`."""
        index = row * self.n_columns + column
        parts = [self._segment(number) for number in self._segments(index)]
        known = [part for part in parts if part is not None]
        if not known:
            if why := self._missed(row, column):
                raise DamagedTileError(why)
            return self._white()
        if len(known) < len(parts):
            raise DamagedTileError("a colour of it is missing")
        pixels = rgb(np.concatenate(known, axis=2) if len(known) > 1 else known[0], self.page)
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        tile = self._white()
        tile[: pixels.shape[0], : pixels.shape[1]] = pixels  # tifffile trims tiles at the border
        return tile

    def _segments(self, index: int) -> list[int]:
        """Numbers of the pieces of the file that hold a tile: one for each colour, or one."""
        if self.page.planarconfig != tifffile.PLANARCONFIG.SEPARATE:
            return [index]
        n_tiles = self.n_columns * self.n_rows
        return [index + n * n_tiles for n in range(self.page.samplesperpixel)]

    def _segment(self, number: int) -> UInt8[np.ndarray, "height width samples"] | None:
        """Decode one piece; None where a sparse TIFF leaves it out."""
        offset, n_bytes = self.page.dataoffsets[number], self.page.databytecounts[number]
        if n_bytes == 0 and offset == 0:
            return None
        if n_bytes == 0:
            raise DamagedTileError("the index of tiles states no bytes for it")
        data = self.file.read(offset, n_bytes)
        if len(data) < n_bytes:
            raise DamagedTileError(f"{len(data)} of {n_bytes} bytes are in the file")
        if number not in self.sound:
            if why := damage_in(data, self.page):
                raise DamagedTileError(why)
            self.sound.add(number)
        try:
            return np.asarray(self.decode(data, number, jpegtables=self.page.jpegtables)[0])[0]
        except tiff.OF_BROKEN_FILES as error:
            raise DamagedTileError(str(error) or type(error).__name__) from error

    def _missed(self, row: int, column: int) -> str:
        """Why a tile that the file leaves out is missed; empty amid glass."""
        for down, across in ((-1, 0), (1, 0), (0, -1), (0, 1)):
            near = (row + down, column + across)
            if not (0 <= near[0] < self.n_rows and 0 <= near[1] < self.n_columns):
                continue
            if self._is_left_out(*near):
                continue
            pixels = self.get(*near, fill=True)
            if (_edge(pixels, down, across)[..., 1] < _GLASS).mean() > _MOST_DARK:
                return "it is left out of the file, beside tissue"
        return ""

    def _is_left_out(self, row: int, column: int) -> bool:
        return not self.page.databytecounts[row * self.n_columns + column]

    def _white(self) -> Pixels:
        return np.full((self.height, self.width, 3), 255, dtype=np.uint8)

    def _damaged(self, row: int, column: int, why: str) -> DamagedTile:
        across = self.full[0] / self.page.imagewidth
        down = self.full[1] / self.page.imagelength
        right = min((column + 1) * self.width, self.page.imagewidth)
        bottom = min((row + 1) * self.height, self.page.imagelength)
        box = Box(
            column * self.width * across, row * self.height * down, right * across, bottom * down
        )
        return DamagedTile(self.level, box, why)


def rgb(pixels: np.ndarray, page: tifffile.TiffPage) -> Pixels:
    """Colours of decoded samples, alpha composed on white."""
    channels = pixels.reshape(*pixels.shape[:2], -1)
    n_colours = 1 if channels.shape[2] <= 2 else 3
    colour, extra = channels[..., :n_colours], channels[..., n_colours : n_colours + 1]
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        colour = 255 - colour
    if n_colours == 1:
        colour = np.repeat(colour, 3, axis=2)
    meaning = (*page.extrasamples, tifffile.EXTRASAMPLE.UNASSALPHA)[0]  # if not stated, it is alpha
    if not extra.size or meaning == tifffile.EXTRASAMPLE.UNSPECIFIED:
        return np.ascontiguousarray(colour)
    if meaning == tifffile.EXTRASAMPLE.ASSOCALPHA:  # colours are already multiplied by it
        return np.minimum(colour + (255 - extra.astype(np.uint16)), 255).astype(np.uint8)
    return on_white(np.concatenate([colour, extra], axis=2))


def on_white(rgba: UInt8[np.ndarray, "height width 4"]) -> Pixels:
    """Compose on white: glass around the tissue is transparent in some exports."""
    out = np.empty((*rgba.shape[:2], 3), dtype=np.uint8)
    for top in range(0, len(rgba), _BAND_ROWS):  # the sums of a large picture need much memory
        band = rgba[top : top + _BAND_ROWS]
        alpha = band[..., 3:].astype(np.uint32)
        out[top : top + len(band)] = (band[..., :3] * alpha + 255 * (255 - alpha) + 127) // 255
    return out


def _edge(
    pixels: Pixels, down: int, across: int
) -> UInt8[np.ndarray, "height_of_edge width_of_edge 3"]:
    """Strip of a neighbour along the missing tile; the neighbour is that far down or across."""
    if down:
        return pixels[-_EDGE_PX:] if down < 0 else pixels[:_EDGE_PX]
    return pixels[:, -_EDGE_PX:] if across < 0 else pixels[:, :_EDGE_PX]
