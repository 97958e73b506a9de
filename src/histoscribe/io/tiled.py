"""TIFF through tifffile: tiles decoded as needed, strips decoded whole."""

import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import tifffile
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem

_TILES_KEPT = 64
"""Decoded tiles kept per file: about 50 MB at 512 px."""
_PHOTOMETRIC = (
    tifffile.PHOTOMETRIC.RGB,
    tifffile.PHOTOMETRIC.YCBCR,
    tifffile.PHOTOMETRIC.MINISBLACK,
    tifffile.PHOTOMETRIC.MINISWHITE,
)
_UM_PER_UNIT = {tifffile.RESUNIT.INCH: 25_400.0, tifffile.RESUNIT.CENTIMETER: 10_000.0}
_lock = RLock()


def is_tiff(path: Path) -> bool:
    """Whether the name says TIFF."""
    return path.suffix.lower() in (".tif", ".tiff")


def is_tiled(path: Path) -> bool:
    """Whether the file is a TIFF stored in tiles."""
    if not is_tiff(path):
        return False
    with _page(path) as page:
        return page.is_tiled


def size(path: Path) -> tuple[int, int]:
    """Width and height in px, from the header; refuses what cannot be read truly."""
    with _page(path) as page:
        _check(path, page)
        return page.imagewidth, page.imagelength


def stated_mpp(path: Path) -> float | None:
    """Um/px from the resolution tags; None where the unit or one side is missing."""
    with _page(path) as page:
        sides = [page.tags.valueof(name) for name in ("XResolution", "YResolution")]
        unit = page.tags.valueof("ResolutionUnit", default=tifffile.RESUNIT.INCH)
    if None in sides or unit not in _UM_PER_UNIT or any(0 in side for side in sides):
        return None
    x, y = (_UM_PER_UNIT[unit] * side[1] / side[0] for side in sides)
    return float(x) if abs(x - y) <= 0.05 * x else None


def decode_flat(path: Path) -> UInt8[np.ndarray, "height width 3"]:
    """All pixels of a TIFF in strips as RGB."""
    with _page(path) as page:
        return _rgb(page.asarray(), page)


def read_region(
    path: Path, left: int, top: int, right: int, bottom: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Pixels of a rectangle inside a tiled TIFF; decodes only the tiles it touches."""
    stat = path.stat()
    with _lock:
        tiles = _tiles(path, stat.st_mtime_ns)
        out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
        for row in range(top // tiles.height, -(-bottom // tiles.height)):
            for column in range(left // tiles.width, -(-right // tiles.width)):
                tile = tiles.get(row, column)
                y0, x0 = row * tiles.height, column * tiles.width
                ys = slice(max(top, y0), min(bottom, y0 + tiles.height))
                xs = slice(max(left, x0), min(right, x0 + tiles.width))
                out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = tile[
                    ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0
                ]
    return out


def on_white(rgba: UInt8[np.ndarray, "height width 4"]) -> UInt8[np.ndarray, "height width 3"]:
    """Compose on white: glass around the tissue is transparent in some exports."""
    alpha = rgba[..., 3:].astype(np.uint32)
    colour = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((colour + 127) // 255).astype(np.uint8)


@dataclass
class _Tiles:
    """The layout of a tiled TIFF and the tiles decoded last.

    The file is opened anew for each tile, so that no handle outlives its use or is shared by
    forked workers, whose read position would be one.
    """

    path: Path
    page: tifffile.TiffPage
    decode: Callable[..., tuple[np.ndarray | None, Any, Any]]
    """Made while the file is open: for JPEG tiles tifffile looks into the first one."""
    kept: OrderedDict[int, UInt8[np.ndarray, "height width 3"]] = field(default_factory=OrderedDict)

    @property
    def width(self) -> int:
        return self.page.tilewidth

    @property
    def height(self) -> int:
        return self.page.tilelength

    def get(self, row: int, column: int) -> UInt8[np.ndarray, "height width 3"]:
        index = row * -(-self.page.imagewidth // self.width) + column
        if index not in self.kept:
            while len(self.kept) >= _TILES_KEPT:
                self.kept.popitem(last=False)
            self.kept[index] = self._decode(index)
        self.kept.move_to_end(index)
        return self.kept[index]

    def _decode(self, index: int) -> UInt8[np.ndarray, "height width 3"]:
        n_bytes = self.page.databytecounts[index]
        tile = np.full((self.height, self.width, 3), 255, dtype=np.uint8)
        if n_bytes == 0:  # a sparse TIFF leaves empty tiles out
            return tile
        with _reported(self.path):
            with self.path.open("rb") as file:
                file.seek(self.page.dataoffsets[index])
                data = file.read(n_bytes)
            if len(data) < n_bytes:
                raise OSError(f"tile {index} has {len(data)} of {n_bytes} bytes")
            segment = self.decode(data, index, jpegtables=self.page.jpegtables)[0]
            pixels = _rgb(np.asarray(segment)[0], self.page)
        tile[: pixels.shape[0], : pixels.shape[1]] = pixels  # tifffile trims tiles at the border
        return tile


@lru_cache(maxsize=2)
def _tiles(path: Path, modified: int) -> _Tiles:
    del modified
    with _page(path) as page:
        _check(path, page)
        return _Tiles(path, page, page.decode)


@contextmanager
def _page(path: Path) -> Iterator[tifffile.TiffPage]:
    """Give the first page, which holds level 0."""
    with _reported(path), tifffile.TiffFile(path) as tiff:
        yield tiff.pages.first


@contextmanager
def _reported(path: Path) -> Iterator[None]:
    """Turn what a broken file raises inside tifffile into a message for the user."""
    try:
        yield
    except (tifffile.TiffFileError, OSError, ValueError, struct.error, RuntimeError) as error:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"the TIFF is truncated or broken ({error})",
                expected="a complete image file",
                remedy="copy or download it again and compare the file sizes",
            )
        ) from error


def _check(path: Path, page: tifffile.TiffPage) -> None:
    together = page.samplesperpixel == 1 or page.planarconfig == tifffile.PLANARCONFIG.CONTIG
    if page.dtype == np.uint8 and page.photometric in _PHOTOMETRIC and together:
        return
    raise DataContractError(
        Problem(
            where=str(path),
            found=f"{page.dtype} {tifffile.PHOTOMETRIC(page.photometric).name} pixels of "
            f"{page.samplesperpixel} samples",
            expected="8 bits a channel, RGB, RGBA or grey, channels stored together",
            remedy="save the image as an 8-bit RGB TIFF",
        )
    )


def _rgb(pixels: np.ndarray, page: tifffile.TiffPage) -> UInt8[np.ndarray, "height width 3"]:
    channels = pixels.reshape(*pixels.shape[:2], -1)
    if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        channels = 255 - channels
    if channels.shape[2] <= 2:
        channels = np.concatenate([channels[..., :1]] * 3 + [channels[..., 1:]], axis=2)
    return on_white(channels) if channels.shape[2] == 4 else np.ascontiguousarray(channels)
