"""Images of OME-Zarr (as SpatialData writes them); only the chunks needed are decoded."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import zarr
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides import pixel_hash
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.tile_cache import TileCache
from histoscribe.io.slides.tiled import on_white

UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError)
"""Exceptions of zarr and its codecs on files that are cut, missing or of another format."""
_CACHE = TileCache(512 << 20)
"""Decoded chunks of all open images: SpatialData writes chunks of up to 128 MB."""


@dataclass(frozen=True, eq=False)
class ZarrImage:
    """The full-resolution level of an image element; nothing is decoded yet."""

    path: Path
    """Folder of the element."""
    array: zarr.Array
    """[channels, height, width]."""
    stamp: int
    """Changes when the image is written anew."""

    @property
    def is_picture(self) -> bool:
        """Whether it can be a photograph: RGB or RGBA with 8 bits a channel."""
        return self.array.shape[0] in (3, 4) and self.array.dtype == np.uint8

    @property
    def what(self) -> str:
        """Kind of the image in words, e.g. `3 channels of uint16, 400 x 300 px`."""
        n_channels, height, width = self.array.shape
        return f"{n_channels} channels of {self.array.dtype}, {width} x {height} px"


@final
class ZarrSlide(RegionSlide):
    """A slide in an image element of SpatialData."""

    def __init__(self, image: ZarrImage, mpp: float) -> None:
        if not image.is_picture:
            raise DataContractError(
                Problem(
                    where=str(image.path),
                    found=image.what,
                    expected="3 or 4 channels (RGB or RGBA) of uint8",
                    remedy="name the H&E image in the column `image` of the manifest",
                )
            )
        _, height, width = image.array.shape
        super().__init__(image.path, [(width, height)], mpp)
        self._image = image

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the image."""
        return tuple(sorted(file for file in self.path.rglob("*") if file.is_file()))

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels put together from decoded chunks; only the finest level is used.

        Coarser levels may have been made by dropping pixels instead of averaging areas.
        """
        del level
        _, height, width = self._image.array.chunks
        out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
        for row in range(top // height, -(-bottom // height)):
            for column in range(left // width, -(-right // width)):
                key = (self.path, self._image.stamp, row, column)
                chunk = _CACHE.get(key, partial(_decoded, self._image, row, column))
                y0, x0 = row * height, column * width
                ys = slice(max(top, y0), min(bottom, y0 + height))
                xs = slice(max(left, x0), min(right, x0 + width))
                out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = chunk[
                    ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0
                ]
        return out

    def _make_hash(self) -> str:
        """Hash of the pixels, although there are several files: a TIFF of them is a twin."""
        if self.width * self.height > pixel_hash.MOST_PX:
            return pixel_hash.of_files(self.files, self.white)
        return pixel_hash.of_pixels((self.width, self.height), self.pixels)


def open_zarr_image(path: Path) -> ZarrImage:
    """Open an image element, multiscale or single; reads its metadata only.

    Raises DataContractError if it is no image of three axes (channel, y, x).
    """
    try:
        group = zarr.open_group(path, mode="r")
        attributes: dict[str, Any] = group.attrs.asdict()
        # OME-NGFF 0.5 has a level `ome`, older versions have not; levels go from fine to coarse
        scales = attributes.get("ome", attributes)["multiscales"][0]
        array = group[scales["datasets"][0]["path"]]
        axes = [axis["name"] for axis in scales["axes"]]
        stamp = max(file.stat().st_mtime_ns for file in path.iterdir())
    except UNREADABLE as error:
        raise damaged(path, error) from error
    if not isinstance(array, zarr.Array) or axes != ["c", "y", "x"]:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"an image of the axes {', '.join(axes)}",
                expected="a flat image: c, y, x",
                remedy="name the H&E image in the column `image` of the manifest",
            )
        )
    return ZarrImage(path, array, stamp)


def damaged(path: Path, error: Exception) -> DataContractError:
    """Error for a zarr folder that cannot be read."""
    return DataContractError(
        Problem(
            where=str(path),
            found=f"truncated or broken, or no SpatialData zarr ({type(error).__name__}: {error})",
            expected="a complete folder as SpatialData writes it",
            remedy="copy the whole folder again, including hidden files",
        )
    )


def _decoded(image: ZarrImage, row: int, column: int) -> UInt8[np.ndarray, "height width 3"]:
    _, height, width = image.array.chunks
    top, left = row * height, column * width
    try:
        stored = np.asarray(image.array[:, top : top + height, left : left + width])
    except UNREADABLE as error:
        raise damaged(image.path, error) from error
    pixels = stored.transpose(1, 2, 0)
    return on_white(pixels) if pixels.shape[2] == 4 else np.ascontiguousarray(pixels)
