"""Images of OME-Zarr (as SpatialData writes them); only the chunks needed are decoded."""

import math
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, final

import numpy as np
import zarr
from jaxtyping import Int, UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.budget import check_size
from histoscribe.io.slides import pixel_hash
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.tiff_tiles import on_white
from histoscribe.io.slides.tile_cache import TileCache
from histoscribe.io.slides.tile_damage import DamagedTile

UNREADABLE = (OSError, ValueError, KeyError, IndexError, TypeError, AttributeError, RuntimeError)
"""Exceptions of zarr and its codecs on files that are cut, missing or of another format."""
_UM_PER_UNIT = {"micrometer": 1.0, "nanometer": 1e-3, "millimeter": 1e3, "meter": 1e6}
_CACHE = TileCache(512 << 20)
"""Decoded chunks of all open images: SpatialData writes chunks of up to 128 MB."""


@dataclass(frozen=True, eq=False)
class ZarrImage:
    """The full-resolution level of an image element; nothing is decoded yet."""

    path: Path
    """Folder of the element."""
    array: zarr.Array
    """[channels, height, width], among further axes of length 1 (time, depth)."""
    stamp: int
    """Changes when the image is written anew."""
    axes: tuple[str, ...] = ("c", "y", "x")
    mpp: tuple[float, float] | None = None
    """Um/px in x and y as stated."""

    @property
    def sides(self) -> tuple[int, int, int]:
        """Number of channels, height and width."""
        return self._along(self.array.shape)

    @property
    def chunk(self) -> tuple[int, int, int]:
        """The same of a chunk."""
        return self._along(self.array.chunks)

    @property
    def is_picture(self) -> bool:
        """Whether it can be a photograph: RGB or RGBA with 8 bits a channel."""
        return self.sides[0] in (3, 4) and self.array.dtype == np.uint8

    @property
    def what(self) -> str:
        """Kind of the image in words, e.g. `3 channels of uint16, 400 x 300 px`."""
        n_channels, height, width = self.sides
        return f"{n_channels} channels of {self.array.dtype}, {width} x {height} px"

    def read(self, rows: slice, columns: slice) -> UInt8[np.ndarray, "channels height width"]:
        """Decode a part of all channels."""
        parts = {"c": slice(None), "y": rows, "x": columns}
        return np.asarray(self.array[tuple(parts.get(axis, 0) for axis in self.axes)])

    def _along(self, sides: tuple[int, ...]) -> tuple[int, int, int]:
        c, y, x = (sides[self.axes.index(axis)] for axis in "cyx")
        return c, y, x


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
        _, height, width = image.sides
        chunk = image.chunk
        check_size(
            where=image.path,
            what=f"a chunk of {chunk[2]} x {chunk[1]} px",
            n_bytes=math.prod(chunk),
            stored=0,
            remedy="write it again in chunks of some thousand px a side",
        )
        super().__init__(image.path, [(width, height)], mpp)
        self._image = image
        if n_missing := image.array.nchunks - image.array.nchunks_initialized:
            self.warnings = (
                f"{n_missing} of {image.array.nchunks} chunks of {image.path.name} are not in the "
                "folder: they are read as one colour, and are no tissue.",
            )

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
        _, height, width = self._image.chunk
        out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
        for row in range(top // height, -(-bottom // height)):
            for column in range(left // width, -(-right // width)):
                chunk = self._chunk(row, column)
                y0, x0 = row * height, column * width
                ys = slice(max(top, y0), min(bottom, y0 + height))
                xs = slice(max(left, x0), min(right, x0 + width))
                out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = chunk[
                    ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0
                ]
        return out

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Chunks that these boxes touch and that cannot be decoded."""
        del level
        _, height, width = self._image.chunk
        touched = {
            (row, column)
            for left, top, right, bottom in boxes.clip(0, [self.width, self.height] * 2)
            for row in range(top // height, -(-bottom // height))
            for column in range(left // width, -(-right // width))
        }
        damaged = []
        for row, column in sorted(touched):
            try:
                self._decoded(row, column)
            except DataContractError as error:
                left, top = column * width, row * height
                right, bottom = min(left + width, self.width), min(top + height, self.height)
                box = Box(*(float(side) for side in (left, top, right, bottom)))
                damaged.append(DamagedTile(0, box, f"its chunk is broken ({error.__cause__})"))
        return tuple(damaged)

    def _chunk(self, row: int, column: int) -> UInt8[np.ndarray, "height width 3"]:
        try:
            return self._decoded(row, column)
        except DataContractError:
            if not self.image.fill:
                raise
        _, height, width = self._image.chunk
        return np.full((height, width, 3), 255, dtype=np.uint8)

    def _decoded(self, row: int, column: int) -> UInt8[np.ndarray, "height width 3"]:
        key = (self.path, self._image.stamp, row, column)
        return _CACHE.get(key, partial(_decoded, self._image, row, column))

    def _make_hash(self) -> str:
        """Hash of the pixels, although there are several files: a TIFF of them is a twin."""
        if self.width * self.height > pixel_hash.MOST_PX:
            return pixel_hash.of_files(self.files, self._parts)
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
        axes = tuple(axis["name"] for axis in scales["axes"])
        mpp = _stated_mpp(scales)
        stamp = max(file.stat().st_mtime_ns for file in path.iterdir())
    except UNREADABLE as error:
        raise damaged(path, error) from error
    if not isinstance(array, zarr.Array) or not _is_flat(array, axes):
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"an image of the axes {', '.join(axes)}",
                expected="a flat image: c, y, x, and no more than one time and depth",
                remedy="name the H&E image in the column `image` of the manifest",
            )
        )
    return ZarrImage(path, array, stamp, axes, mpp)


def _is_flat(array: zarr.Array, axes: tuple[str, ...]) -> bool:
    further = [side for axis, side in zip(axes, array.shape, strict=False) if axis not in "cyx"]
    return {"c", "y", "x"} <= set(axes) and len(axes) == array.ndim and set(further) <= {1}


def _stated_mpp(scales: dict[str, Any]) -> tuple[float, float] | None:
    """Um/px of the finest level, where its axes have a unit of length."""
    axes = {axis["name"]: (n, axis.get("unit")) for n, axis in enumerate(scales["axes"])}
    transformations = scales["datasets"][0].get("coordinateTransformations", [])
    scale = next((one["scale"] for one in transformations if one["type"] == "scale"), None)
    if scale is None or any(axes[axis][1] not in _UM_PER_UNIT for axis in "xy"):
        return None
    x, y = (float(scale[axes[axis][0]]) * _UM_PER_UNIT[axes[axis][1]] for axis in "xy")
    return x, y


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
    _, height, width = image.chunk
    top, left = row * height, column * width
    try:
        stored = image.read(slice(top, top + height), slice(left, left + width))
    except UNREADABLE as error:
        raise damaged(image.path, error) from error
    pixels = stored.transpose(1, 2, 0)
    return on_white(pixels) if pixels.shape[2] == 4 else np.ascontiguousarray(pixels)
