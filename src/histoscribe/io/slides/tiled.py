"""TIFF through tifffile: tiles of any level decoded on demand, small strips decoded whole."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import tifffile
from jaxtyping import Int, UInt8

from histoscribe.io.slides import tiff
from histoscribe.io.slides.file_images import ImagePath
from histoscribe.io.slides.tiff_mpp import magnification, um_per_px
from histoscribe.io.slides.tiff_tiles import CACHE, FileBytes, TiffTiles
from histoscribe.io.slides.tile_cache import stamp
from histoscribe.io.slides.tile_damage import DamagedTile

_LARGE_PX = 400_000_000
"""Strips of larger images are decoded one by one; a smaller image is decoded once."""
_FILES_KEPT = 8
_HEADERS_KEPT = 64
_THREADS = 4


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

    True for JPEG 2000 in YCbCr (33003), whose colours tifffile does not convert.
    """

    @property
    def reads_regions(self) -> bool:
        """Whether regions can be decoded without the whole: tiles, or strips of a large image.

        A strip too large for the cache would be decoded again for every region.
        """
        width, height = self.sizes[0]
        is_large = width * height > _LARGE_PX
        return self.strip_bytes is None or (is_large and self.strip_bytes <= CACHE.most_bytes)


def header(image: ImagePath) -> Header:
    """Header of an image; refuses what cannot be read truly.

    Raises
    ------
    DataContractError
        for a broken file, pixels that would be misread, and images between which to choose.
    """
    return _header(image, stamp(image.path))


def sizes(path: Path, number: int | None = None) -> tuple[tuple[int, int], ...]:
    """Width and height of each level."""
    return header(ImagePath(path, number)).sizes


def decode_flat(image: ImagePath) -> UInt8[np.ndarray, "height width 3"]:
    """All pixels of a TIFF as RGB; its tiles or strips are not kept."""
    tiles = levels(image)[0]
    width, height = tiles.full
    out = np.empty((height, width, 3), dtype=np.uint8)
    for row in range(tiles.n_rows):
        for column in range(tiles.n_columns):
            top, left = row * tiles.height, column * tiles.width
            pixels = tiles.get(row, column, fill=image.fill, keep=False)
            part = out[top : top + tiles.height, left : left + tiles.width]
            part[:] = pixels[: part.shape[0], : part.shape[1]]
    return out


def read_region(
    image: ImagePath, level: int, left: int, top: int, right: int, bottom: int
) -> UInt8[np.ndarray, "height width 3"]:
    """Pixels of a rectangle inside a level; decodes only the tiles it touches."""
    tiles = levels(image)[level]
    out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
    for row in range(top // tiles.height, -(-bottom // tiles.height)):
        y0 = row * tiles.height
        ys = slice(max(top, y0), min(bottom, y0 + tiles.height))
        for column in range(left // tiles.width, -(-right // tiles.width)):
            x0 = column * tiles.width
            xs = slice(max(left, x0), min(right, x0 + tiles.width))
            tile = tiles.get(row, column, fill=image.fill)
            out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = tile[
                ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0
            ]
    return out


def damage(image: ImagePath, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
    """Damaged tiles that these boxes (left, top, right, bottom in px of the level) touch."""
    tiles = levels(image)[level]
    size = np.array([tiles.width, tiles.height] * 2)
    first, last = boxes[:, :2] // size[:2], -(-boxes[:, 2:] // size[2:])
    most = (tiles.n_columns, tiles.n_rows)
    touched = {
        (row, column)
        for (left, top), (right, bottom) in zip(first.clip(0), last.clip(0, most), strict=True)
        for row in range(top, bottom)
        for column in range(left, right)
    }
    with ThreadPoolExecutor(_THREADS) as pool:
        known = pool.map(lambda place: tiles.damage(*place), sorted(touched))
        return tuple(one for one in known if one is not None)


def levels(image: ImagePath) -> tuple[TiffTiles, ...]:
    """Tiles of each level."""
    return _levels(image, stamp(image.path))


@lru_cache(maxsize=_HEADERS_KEPT)
def _header(image: ImagePath, state: tuple[int, ...]) -> Header:
    del state
    with tiff.opened(image.path) as file:
        scan = tiff.scan(file, image.path, image.number, whole=not image.fill)
        page, note = scan.image.page, ((scan.choice.note,) if scan.choice.note else ())
        return Header(
            sizes=tuple((page.imagewidth, page.imagelength) for page in scan.pages),
            mpp=um_per_px(scan.image),
            magnification=magnification(scan.image),
            orientation=int(page.tags.valueof("Orientation", default=1)),
            notes=note if scan.choice.is_plain else (),
            warnings=(*(() if scan.choice.is_plain else note), *scan.warnings),
            strip_bytes=None
            if page.is_tiled
            else 3 * page.imagewidth * min(page.rowsperstrip, page.imagelength),
            needs_openslide=any(
                page.compression == tifffile.COMPRESSION.APERIO_JP2000_YCBC for page in scan.pages
            ),
        )


@lru_cache(maxsize=_FILES_KEPT)
def _levels(image: ImagePath, state: tuple[int, ...]) -> tuple[TiffTiles, ...]:
    with tiff.opened(image.path) as opened:
        scan = tiff.scan(opened, image.path, image.number, whole=not image.fill)
        file = FileBytes(image.path)
        return tuple(
            TiffTiles(
                file=file,
                stamp=state,
                page=page,
                level=level,
                full=(scan.image.page.imagewidth, scan.image.page.imagelength),
                decode=page.decode,
                width=page.tilewidth or page.imagewidth,
                height=page.tilelength or min(page.rowsperstrip, page.imagelength),
            )
            for level, page in enumerate(scan.pages)
        )
