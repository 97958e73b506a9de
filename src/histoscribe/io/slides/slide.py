"""Open slides by content: flat images, TIFF pyramids, formats of scanner vendors."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides import flat, tiff, tiled, vendor
from histoscribe.io.slides.not_a_slide import not_a_slide
from histoscribe.io.slides.region import MaskedSlide, RegionSlide
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.resolution import settle_whole_slide, uneven

_OF_TIFFFILE = (None, "aperio", "generic-tiff")
"""OpenSlide's names of TIFFs whose tiles tifffile reads: equal pixels, twice as fast."""
_CREDIBLE_MPP = (0.1, 20.0)


@final
class FlatSlide(RegionSlide):
    """An image without tiles: decoded whole on first use; the last two stay in memory."""

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels cut from the decoded image."""
        del level
        return flat.decoded(self.path)[top:bottom, left:right]


@final
class TiledSlide(RegionSlide):
    """A TIFF of tiles in one or more levels; only the tiles needed are decoded."""

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels put together from decoded tiles."""
        return tiled.read_region(self.path, level, left, top, right, bottom)


@final
class VendorSlide(RegionSlide):
    """A slide that OpenSlide reads."""

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return vendor.files(self.path)

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels read by OpenSlide, composed on white."""
        return vendor.read_region(self.path, level, left, top, right, bottom)


def open_slide(path: Path, mpp: float, white: tuple[Box, ...] = ()) -> RegionSlide:
    """Open an image at `mpp` um per level-0 px; only its header is read at this point.

    `white` lists rectangles to read as white. Raises DataContractError for a missing, broken,
    16-bit or unsupported image.
    """
    backend = _backend_of(path)
    slide = backend(path, _SIZES[backend](path), mpp)
    return MaskedSlide(slide, white) if white else slide


def open_whole_slide(path: Path, mpp: float | None = None) -> RegionSlide:
    """Open a slide without spots; `mpp` is its um per level-0 px according to the user.

    Raises DataContractError for an image that cannot be read, if neither user nor metadata has the
    um/px, and if they differ by more than 5 %.
    """
    backend = _backend_of(path)
    sizes = _SIZES[backend](path)  # a broken file is reported before the user is asked for um/px
    return backend(path, sizes, settle_whole_slide(str(path), mpp, image_mpp(path)))


def image_mpp(path: Path) -> float | None:
    """Um/px in the image's metadata; None if there is none that fits a microscope.

    Print resolutions (72, 96, 300 dpi are 353 to 85 um/px) say nothing about the tissue: only 0.1
    to 20 um/px is accepted. Raises DataContractError if x and y differ by more than 5 %.
    """
    backend = _backend_of(path)
    if backend is VendorSlide:
        found = vendor.stated_mpp(path)
    else:
        found = tiled.stated_mpp(path) if tiff.is_tiff(path) else flat.stated_mpp(path)
    if found is None or not all(_CREDIBLE_MPP[0] <= side <= _CREDIBLE_MPP[1] for side in found):
        return None
    x, y = found
    if abs(x - y) > 0.05 * min(x, y):
        raise DataContractError(uneven(str(path), x, y))
    return x


Backend = type[FlatSlide] | type[TiledSlide] | type[VendorSlide]
_SIZES: dict[Backend, Callable[[Path], Sequence[tuple[int, int]]]] = {
    FlatSlide: lambda path: [flat.size(path)],
    TiledSlide: tiled.sizes,
    VendorSlide: vendor.sizes,
}


def _backend_of(path: Path) -> Backend:
    """Choose the backend of a file; all backends give the same pixels."""
    if not path.is_file():
        raise DataContractError(
            Problem(
                str(path), "no such image", "a JPEG, PNG, TIFF or whole slide", "check the path"
            )
        )
    if flat.is_flat_name(path):
        return FlatSlide
    known = vendor.vendor(path)
    if known not in _OF_TIFFFILE:
        return VendorSlide
    if not tiff.is_tiff(path):
        raise not_a_slide(path)
    if known == "aperio" and tiled.needs_openslide(path):
        return VendorSlide
    return TiledSlide if tiled.reads_regions(path) else FlatSlide
