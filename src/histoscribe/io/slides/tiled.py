"""TIFF through tifffile: tiles of any level decoded on demand, small strips decoded whole."""

import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from jaxtyping import UInt8

from histoscribe.io.slides import tiff
from histoscribe.io.slides.file_images import ImagePath
from histoscribe.io.slides.tiff_mpp import magnification, um_per_px
from histoscribe.io.slides.tile_cache import TileCache, stamp

CACHE = TileCache(192 << 20)
"""Size for the tiles of all open TIFFs: a row of tiles of a slide 50,000 px wide is 77 MB at 512
px.
"""
_LARGE_PX = 400_000_000
"""Strips of larger images are decoded one by one; a smaller image is decoded once."""
_FILES_KEPT = 8
_HEADERS_KEPT = 64


@dataclass(frozen=True)
class Header:
    """Facts from the header of one image of a TIFF."""

    sizes: tuple[tuple[int, int], ...]
    """Width and height of each level."""
    mpp: tuple[float, float] | None
    """Um/px in x and y as stated, plausible or not."""
    magnification: float | None
    """Of the objective, as stated."""
    orientation: int
    """Orientation of TIFF and EXIF: 1 if px are shown as they are stored."""
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    strip_bytes: int | None
    """Bytes of a decoded strip; None for tiles."""
    needs_openslide: bool
    """Whether only OpenSlide reads the tiles of an Aperio file correctly.

    True for JPEG 2000 in YCbCr (33003), whose colours tifffile does not convert, and for missing
    tiles, which OpenSlide fills from the level above.
    """

    @property
    def reads_regions(self) -> bool:
        """Whether regions can be decoded without the whole: tiles, or strips of a large image.

        A strip too large for the cache would be decoded again for every region.
        """
        width, height = self.sizes[0]
        is_large = width * height > _LARGE_PX
        return self.strip_bytes is None or (is_large and self.strip_bytes <= CACHE.most_bytes)


def header(path: Path, number: int | None = None) -> Header:
    """Header of the image of this number, else of the largest; refuses what cannot be read truly.

    Raises
    ------
    DataContractError
        for a broken file, pixels that would be misread, and images between which to choose.
    """
    return _header(path, stamp(path), number)


def sizes(path: Path, number: int | None = None) -> tuple[tuple[int, int], ...]:
    """Width and height of each level."""
    return header(path, number).sizes


def decode_flat(path: Path, number: int | None = None) -> UInt8[np.ndarray, "height width 3"]:
    """All pixels of a TIFF in strips as RGB."""
    with tiff.opened(path) as file:
        page = tiff.scan(file, path, number).image.page
        pixels = page.asarray()
        separate = page.planarconfig == tifffile.PLANARCONFIG.SEPARATE and pixels.ndim == 3
        return _rgb(np.moveaxis(pixels, 0, -1) if separate else pixels, page)


def read_region(
    image: ImagePath, level: int, left: int, top: int, right: int, bottom: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Pixels of a rectangle inside a level; decodes only the tiles it touches."""
    tiles = _levels(image.path, stamp(image.path), image.number)[level]
    out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    for row in range(top // tiles.height, -(-bottom // tiles.height)):
        y0 = row * tiles.height
        ys = slice(max(top, y0), min(bottom, y0 + tiles.height))
        for column in range(left // tiles.width, -(-right // tiles.width)):
            x0 = column * tiles.width
            xs = slice(max(left, x0), min(right, x0 + tiles.width))
            out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = tiles.get(
                row, column
            )[ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0]
    return out


def on_white(rgba: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
    """Compose on white: glass around the tissue is transparent in some exports."""
    alpha = rgba[..., 3:].astype(np.uint32)
    colour = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((colour + 127) // 255).astype(np.uint8)


class _File:
    """A file read at explicit offsets: threads and forked workers share no file position."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number = None
        if hasattr(os, "pread"):
            self._number = os.open(path, os.O_RDONLY)
            weakref.finalize(self, os.close, self._number)

    def read(self, offset: int, n_bytes: int) -> bytes:
        if self._number is not None:
            return os.pread(self._number, n_bytes, offset)
        with self.path.open("rb") as file:  # Windows has no pread
            file.seek(offset)
            return file.read(n_bytes)


@dataclass(frozen=True, eq=False)
class _Tiles:
    """One level as tiles; a strip is a tile as wide as the image."""

    file: _File
    key: tuple[tuple[int, ...], int, int]
    """Stamp of the file, image and level: identifies its tiles in the cache."""
    page: tifffile.TiffPage
    decode: Callable[..., tuple[np.ndarray | None, Any, Any]]
    """Created while the file is open: for JPEG tiles tifffile needs the first one."""
    width: int
    height: int

    def get(self, row: int, column: int) -> UInt8[np.ndarray, "height width 3"]:
        index = row * -(-self.page.imagewidth // self.width) + column
        return CACHE.get((self.key, index), partial(self._decoded, index))

    def _decoded(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        if self.page.planarconfig == tifffile.PLANARCONFIG.SEPARATE:
            n_tiles = len(self.page.dataoffsets) // self.page.samplesperpixel
            parts = [self._segment(index + n * n_tiles) for n in range(self.page.samplesperpixel)]
            known = [part for part in parts if part is not None]
            segment = np.concatenate(known, axis=2) if len(known) == len(parts) else None
        else:
            segment = self._segment(index)
        if segment is None:
            return np.full((self.height, self.width, 3), 255, dtype=np.uint8)
        pixels = _rgb(segment, self.page)
        if pixels.shape[:2] == (self.height, self.width):
            return pixels
        tile = np.full((self.height, self.width, 3), 255, dtype=np.uint8)
        tile[: pixels.shape[0], : pixels.shape[1]] = pixels  # tifffile trims tiles at the border
        return tile

    def _segment(self, index: int) -> UInt8[np.ndarray, "height width samples"] | None:
        """Decode one tile; None where a sparse TIFF leaves it out."""
        n_bytes = self.page.databytecounts[index]
        if n_bytes == 0:
            return None
        with tiff.reported(self.file.path):
            data = self.file.read(self.page.dataoffsets[index], n_bytes)
            if len(data) < n_bytes:
                raise OSError(f"tile {index} has {len(data)} of {n_bytes} bytes")
            segment = self.decode(data, index, jpegtables=self.page.jpegtables)[0]
            return np.asarray(segment)[0]


@lru_cache(maxsize=_HEADERS_KEPT)
def _header(path: Path, state: tuple[int, ...], number: int | None) -> Header:
    del state
    with tiff.opened(path) as file:
        scan = tiff.scan(file, path, number)
        page, note = scan.image.page, ((scan.choice.note,) if scan.choice.note else ())
        return Header(
            sizes=tuple((page.imagewidth, page.imagelength) for page in scan.pages),
            mpp=um_per_px(scan.image),
            magnification=magnification(scan.image),
            orientation=int(page.tags.valueof("Orientation", default=1)),
            notes=note if scan.choice.is_plain else (),
            warnings=(*(() if scan.choice.is_plain else note), *scan.warnings),
            strip_bytes=None if page.is_tiled else 3 * page.imagewidth * page.rowsperstrip,
            needs_openslide=any(
                page.compression == tifffile.COMPRESSION.APERIO_JP2000_YCBC
                or 0 in page.databytecounts
                for page in scan.pages
            ),
        )


@lru_cache(maxsize=_FILES_KEPT)
def _levels(path: Path, state: tuple[int, ...], number: int | None) -> tuple[_Tiles, ...]:
    with tiff.opened(path) as opened:
        scan, file = tiff.scan(opened, path, number), _File(path)
        return tuple(
            _Tiles(
                file=file,
                key=(state, scan.index, level),
                page=page,
                decode=page.decode,
                width=page.tilewidth or page.imagewidth,
                height=page.tilelength or page.rowsperstrip,
            )
            for level, page in enumerate(scan.pages)
        )


def _rgb(pixels: np.ndarray, page: tifffile.TiffPage) -> UInt8[np.ndarray, "height width 3"]:
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
