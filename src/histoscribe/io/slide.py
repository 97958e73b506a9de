"""Slides: flat JPEG, PNG and TIFF, and tiled TIFF, read a tile at a time at a given um/px."""

import hashlib
from abc import abstractmethod
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io import flat, tiled
from histoscribe.io.resample import Box, shrink
from histoscribe.io.resolution import settle_whole_slide
from histoscribe.types import Slide

_BAND_ROWS = 512
"""Rows hashed at once; the hash does not depend on it."""


class RegionSlide(Slide):
    """A slide that can give any rectangle of its pixels; all resampling rests on that."""

    def __init__(self, path: Path, size: tuple[int, int], mpp: float) -> None:
        if not mpp > 0:
            raise ValueError(f"um/px must be above 0, not {mpp}")
        self.path, self.mpp = path, mpp
        self.width, self.height = size
        self._hash: str | None = None

    @abstractmethod
    def pixels(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Give the pixels of a rectangle that lies inside the image."""

    def read(self, xy: tuple[float, float], side_px: int, mpp: float) -> UInt8[np.ndarray, "P P 3"]:
        """Read a square centred on `xy`; within 1 % of native it is a plain crop.

        A plain crop starts at the rounded corner, so its pixels are those of the file.
        """
        scale = mpp / self.mpp
        if scale < 0.99:
            raise ValueError(
                f"{self.path.name} has {self.mpp:.4g} um/px and cannot be read at {mpp:.4g}: "
                f"nothing is enlarged silently; ask for {self.mpp:.4g} um/px or coarser"
            )
        if scale <= 1.01:
            left, top = (round(centre - side_px / 2) for centre in xy)
            return self.region(left, top, left + side_px, top + side_px)
        half = side_px * scale / 2
        box = Box(xy[0] - half, xy[1] - half, xy[0] + half, xy[1] + half)
        return shrink(self.region, box, side_px, side_px)

    def overview(self, mpp: float) -> UInt8[np.ndarray, "height width 3"]:
        """Read the whole image at about `mpp` um/px; finer than native gives native."""
        scale = max(1.0, mpp / self.mpp)
        width, height = (max(1, round(side / scale)) for side in (self.width, self.height))
        whole = Box(0.0, 0.0, float(self.width), float(self.height))
        return shrink(self.region, whole, width, height)

    def pixel_hash(self) -> str:
        """Sha256 of width, height and RGB rows, the same for a flat and a tiled copy; kept."""
        if self._hash is None:
            self._hash = self._hash_pixels()
        return self._hash

    def _hash_pixels(self) -> str:
        digest = hashlib.sha256(f"{self.width}x{self.height}".encode())
        for top in range(0, self.height, _BAND_ROWS):
            bottom = min(top + _BAND_ROWS, self.height)
            digest.update(self.pixels(0, top, self.width, bottom).tobytes())
        return digest.hexdigest()

    def region(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Give the pixels of any rectangle, white outside the image."""
        inside_x = sorted((max(left, 0), min(right, self.width)))
        inside_y = sorted((max(top, 0), min(bottom, self.height)))
        if (inside_x, inside_y) == ([left, right], [top, bottom]):
            return self.pixels(left, top, right, bottom)
        out = np.full((bottom - top, right - left, 3), 255, dtype=np.uint8)
        if right > 0 and bottom > 0 and left < self.width and top < self.height:
            (x0, x1), (y0, y1) = inside_x, inside_y
            out[y0 - top : y1 - top, x0 - left : x1 - left] = self.pixels(x0, y0, x1, y1)
        return out


@final
class FlatSlide(RegionSlide):
    """An image without tiles: decoded whole on first use, kept while among the last two used."""

    def pixels(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Cut from the decoded image."""
        return flat.decoded(self.path)[top:bottom, left:right]


@final
class TiledSlide(RegionSlide):
    """A tiled TIFF, of which only the tiles that are needed are decoded."""

    def pixels(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Put together from decoded tiles."""
        return tiled.read_region(self.path, left, top, right, bottom)


@final
class MaskedSlide(RegionSlide):
    """A slide with rectangles that are no tissue made white, e.g. a pasted thumbnail."""

    def __init__(self, slide: RegionSlide, white: tuple[Box, ...]) -> None:
        super().__init__(slide.path, (slide.width, slide.height), slide.mpp)
        self._slide, self._white = slide, white

    def pixels(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Give the slide's pixels with the rectangles in white."""
        out = self._slide.pixels(left, top, right, bottom).copy()
        for box in self._white:
            rows = slice(max(int(box.top) - top, 0), max(int(box.bottom) - top, 0))
            out[rows, max(int(box.left) - left, 0) : max(int(box.right) - left, 0)] = 255
        return out


def open_slide(path: Path, mpp: float, white: tuple[Box, ...] = ()) -> RegionSlide:
    """Open an image at `mpp` um per level-0 px; only its header is read now.

    `white` names rectangles to be read as white. Raises DataContractError for a missing,
    broken, 16-bit or unsupported image.
    """
    _must_exist(path)
    slide: RegionSlide
    if tiled.is_tiled(path):
        slide = TiledSlide(path, tiled.size(path), mpp)
    else:
        slide = FlatSlide(path, flat.size(path), mpp)
    return MaskedSlide(slide, white) if white else slide


def open_whole_slide(path: Path, mpp: float | None = None) -> RegionSlide:
    """Open a slide that comes without spots; `mpp` is its um per level-0 px as the user knows it.

    Raises DataContractError for an image that cannot be read, where neither the user nor the
    metadata knows the um/px, and where they differ by more than 5 %.
    """
    return open_slide(path, settle_whole_slide(str(path), mpp, image_mpp(path)))


def image_mpp(path: Path) -> float | None:
    """Um/px in the image's own metadata; None where it has none that fits a microscope.

    Print resolutions (72, 96, 300 dpi are 353 to 85 um/px) say nothing about the tissue:
    only 0.1 to 20 um/px is believed.
    """
    _must_exist(path)
    found = tiled.stated_mpp(path) if tiled.is_tiff(path) else flat.stated_mpp(path)
    return found if found is not None and 0.1 <= found <= 20 else None


def _must_exist(path: Path) -> None:
    if not path.is_file():
        raise DataContractError(
            Problem(str(path), "no such image", "a JPEG, PNG or TIFF", "check the path")
        )
