"""Open slides by content: flat images, TIFF pyramids, formats of scanner vendors."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides import flat, tiff, tiled, vendor
from histoscribe.io.slides.file_images import FileImage, ImagePath, choose_image
from histoscribe.io.slides.not_a_slide import not_a_slide
from histoscribe.io.slides.orientation import STORED, orientation_problem, orientation_warning
from histoscribe.io.slides.region import MaskedSlide, RegionSlide
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.resolution import (
    magnification_warning,
    settle_whole_slide,
    uneven,
)

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
        return flat.decoded(self.path, self.image_number)[top:bottom, left:right]


@final
class TiledSlide(RegionSlide):
    """A TIFF of tiles in one or more levels; only the tiles needed are decoded."""

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels put together from decoded tiles."""
        image = ImagePath(self.path, self.image_number)
        return tiled.read_region(image, level, left, top, right, bottom)


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


def open_slide(
    path: Path, mpp: float, white: tuple[Box, ...] = (), image_number: int | None = None
) -> RegionSlide:
    """Open an image with spots at `mpp` um per level-0 px; only its header is read at this point.

    `white` lists rectangles to read as white. Raises DataContractError for a missing, broken,
    16-bit or unsupported image, for one that viewers turn, and where several images of the file
    are equally large and no `image_number` (from 1) says which.
    """
    slide, about = _opened(path, mpp, image_number)
    if problem := orientation_problem(str(path), about.orientation):
        raise DataContractError(problem)
    return MaskedSlide(slide, white) if white else slide


def open_whole_slide(
    path: Path,
    mpp: float | None = None,
    *,
    mpp_from: str | None = None,
    image_number: int | None = None,
) -> RegionSlide:
    """Open a slide without spots; `mpp` is its um per level-0 px according to the user.

    Raises DataContractError for an image that cannot be read, if neither user nor metadata has the
    um/px, and if they differ by more than 5 % and `mpp_from` (`user` or `metadata`) does not say
    which to trust.
    """
    about = _about(path, image_number)  # a broken file is reported before the user is asked
    stated = _credible(path, about)
    settled = settle_whole_slide(str(path), mpp, stated, mpp_from)
    slide, _ = _opened(path, settled, image_number)
    slide.warnings += orientation_warning(about.orientation)
    return slide


def image_mpp(path: Path, image_number: int | None = None) -> float | None:
    """Um/px in the image's metadata; None if there is none that fits a microscope.

    Print resolutions (72, 96, 300 dpi are 353 to 85 um/px) say nothing about the tissue: only 0.1
    to 20 um/px is accepted. Raises DataContractError if x and y differ by more than 5 %.
    """
    return _credible(path, _about(path, image_number))


Backend = type[FlatSlide] | type[TiledSlide] | type[VendorSlide]


@dataclass(frozen=True)
class _About:
    """Facts from the header of an image file."""

    backend: Backend
    sizes: Sequence[tuple[int, int]]
    mpp: tuple[float, float] | None
    magnification: float | None = None
    orientation: int = STORED
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def _opened(path: Path, mpp: float, image_number: int | None) -> tuple[RegionSlide, _About]:
    about = _about(path, image_number)
    slide = about.backend(path, about.sizes, mpp, image_number)
    slide.notes = about.notes
    slide.warnings = (*about.warnings, *magnification_warning(mpp, about.magnification))
    return slide, about


def _credible(path: Path, about: _About) -> float | None:
    if about.mpp is None or not all(_CREDIBLE_MPP[0] <= um <= _CREDIBLE_MPP[1] for um in about.mpp):
        return None
    x, y = about.mpp
    if abs(x - y) > 0.05 * min(x, y):
        raise DataContractError(uneven(str(path), x, y))
    return x


def _about(path: Path, number: int | None) -> _About:
    """Header of an image by the backend of its file; all backends give the same pixels."""
    if not path.is_file():
        raise DataContractError(
            Problem(
                str(path), "no such image", "a JPEG, PNG, TIFF or whole slide", "check the path"
            )
        )
    if flat.is_flat_name(path):
        return _of_flat(path, number)
    known = vendor.vendor(path)
    if known not in _OF_TIFFFILE:
        return _of_vendor(path, number)
    if not tiff.is_tiff(path):
        raise not_a_slide(path)
    header = tiled.header(path, number)
    by_vendor = known == "aperio" and header.needs_openslide
    return _About(
        backend=VendorSlide if by_vendor else TiledSlide if header.reads_regions else FlatSlide,
        sizes=vendor.sizes(path) if by_vendor else header.sizes,
        mpp=header.mpp,
        magnification=header.magnification,
        orientation=header.orientation,
        notes=header.notes,
        warnings=header.warnings,
    )


def _of_flat(path: Path, number: int | None) -> _About:
    if tiff.is_tiff(path):  # by another name
        header = tiled.header(path, number)
        mpp, orientation, warnings = header.mpp, header.orientation, header.warnings
    else:
        mpp, orientation = flat.stated_mpp(path), flat.orientation(path)
        warnings = flat.told(path, number)
    size = flat.size(path, number)
    return _About(FlatSlide, [size], mpp, orientation=orientation, warnings=warnings)


def _of_vendor(path: Path, number: int | None) -> _About:
    sizes = vendor.sizes(path)
    choice = choose_image(str(path), [FileImage(*sizes[0]), *vendor.pictures(path)], number or 1)
    return _About(
        backend=VendorSlide,
        sizes=sizes,
        mpp=vendor.stated_mpp(path),
        magnification=vendor.magnification(path),
        notes=(choice.note,) if choice.note else (),
    )
