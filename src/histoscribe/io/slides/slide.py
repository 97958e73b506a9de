"""Open slides by content: flat images, TIFF pyramids, formats of scanner vendors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int, UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.budget import check_size
from histoscribe.io.files import no_file
from histoscribe.io.slides import flat, tiff, tiled, vendor
from histoscribe.io.slides.fewer_levels import with_true_levels
from histoscribe.io.slides.file_images import FileImage, ImagePath, choose_image
from histoscribe.io.slides.not_a_slide import PYRAMID, not_a_slide
from histoscribe.io.slides.ome_zarr import choose_zarr_image, is_ome_zarr
from histoscribe.io.slides.orientation import STORED, orientation_problem, orientation_warning
from histoscribe.io.slides.region import MaskedSlide, RegionSlide
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.resolution import (
    magnification_warning,
    settle_whole_slide,
    uneven,
)
from histoscribe.io.slides.tile_damage import DamagedTile, damaged_problem
from histoscribe.io.slides.zarr_slide import ZarrSlide

_OF_TIFFFILE = (None, "aperio", "generic-tiff")
"""OpenSlide's names of TIFFs whose tiles tifffile reads: equal pixels, twice as fast."""
_CREDIBLE_MPP = (0.1, 20.0)
_DEFAULT_UM = (
    "The file states exactly 1 um/px, which programs also write where they do not know it. If that "
    "is wrong, give --mpp and --mpp-from user."
)


@final
class FlatSlide(RegionSlide):
    """An image without tiles: decoded whole on first use; the last two stay in memory."""

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels cut from the decoded image."""
        del level
        return flat.decoded(self.image)[top:bottom, left:right]

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged strips of a TIFF; a damaged JPEG or PNG cannot be read at all."""
        return tiled.damage(self.image, level, boxes) if tiff.is_tiff(self.path) else ()


@final
class TiledSlide(RegionSlide):
    """A TIFF of tiles in one or more levels; only the tiles needed are decoded."""

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels put together from decoded tiles."""
        return tiled.read_region(self.image, level, left, top, right, bottom)

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged tiles that these boxes touch."""
        return tiled.damage(self.image, level, boxes)


@final
class VendorSlide(RegionSlide):
    """A slide that OpenSlide reads."""

    def __init__(self, path: Path, sizes: Sequence[tuple[int, int]], mpp: float) -> None:
        super().__init__(path, sizes, mpp)
        known = vendor.sizes(path)
        self._numbers = tuple(known.index(size) for size in sizes)  # of OpenSlide, which has all

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return vendor.files(self.path)

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels read by OpenSlide, composed on white."""
        if not self.image.fill:
            for tile in self.damage(level, np.array([[left, top, right, bottom]])):
                raise damaged_problem(str(self.path), tile)
        number = self._numbers[level]
        return vendor.read_region(self.image, number, left, top, right, bottom)

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged tiles that these boxes touch; in stop mode OpenSlide itself stops at them."""
        if vendor.vendor(self.path) == "aperio":  # OpenSlide passes over corrupt data
            return tiled.damage(self.image, level, boxes)
        return vendor.damage(self.image, self._numbers[level], boxes) if self.image.fill else ()


def open_slide(
    path: Path, mpp: float, white: tuple[Box, ...] = (), image_number: int | None = None
) -> RegionSlide:
    """Open an image with spots at `mpp` um per level-0 px; only its header is read at this point.

    `white` lists rectangles to read as white. Raises DataContractError for a missing, broken,
    16-bit or unsupported image, for one that viewers turn, and where several images of the file
    are equally large and no `image_number` (from 1) says which. A damaged tile is an error.
    """
    image = ImagePath(path, image_number)
    about = _about(image)
    _check_memory(path, about)
    if problem := orientation_problem(str(path), about.orientation):
        raise DataContractError(problem)
    slide = _opened(image, about, mpp)
    return MaskedSlide(slide, white) if white else slide


def open_whole_slide(
    path: Path,
    mpp: float | None = None,
    *,
    mpp_from: str | None = None,
    image_number: int | None = None,
    fill: bool = False,
) -> RegionSlide:
    """Open a slide without spots; `mpp` is its um per level-0 px according to the user.

    With `fill`, damaged tiles are read as white, and the caller asks for their places; else they
    are errors. Raises DataContractError for an image that cannot be read, if neither user nor
    metadata has the um/px, and if they differ by more than 5 % and `mpp_from` (`user` or
    `metadata`) does not say which to trust.
    """
    image = ImagePath(path, image_number, fill)
    about = _about(image)  # a broken file is reported before the user is asked
    _check_memory(path, about)
    settled = settle_whole_slide(str(path), mpp, _credible(path, about), mpp_from)
    slide = _opened(image, about, settled)
    slide.warnings += orientation_warning(about.orientation)
    if mpp is None and settled == 1.0:
        slide.warnings += (_DEFAULT_UM,)
    return slide


def image_mpp(path: Path, image_number: int | None = None) -> float | None:
    """Um/px in the image's metadata; None if there is none that fits a microscope.

    Print resolutions (72, 96, 300 dpi are 353 to 85 um/px) say nothing about the tissue: only 0.1
    to 20 um/px is accepted. Raises DataContractError if x and y differ by more than 5 %.
    """
    return _credible(path, _about(ImagePath(path, image_number)))


@dataclass(frozen=True)
class _About:
    """Facts from the header of an image file."""

    open: Callable[[float], RegionSlide]
    """Opens the image at a um/px."""
    mpp: tuple[float, float] | None
    magnification: float | None = None
    orientation: int = STORED
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    flat_size: tuple[int, int] | None = None
    """Width and height of an image that is decoded whole."""


def _check_memory(path: Path, about: _About) -> None:
    """Refuse an image that is decoded whole and does not fit into memory."""
    if about.flat_size is None:
        return
    width, height = about.flat_size
    what = f"an image of {width} x {height} px"
    check_size(path, what, 3 * width * height, stored=path.stat().st_size, remedy=PYRAMID)


def _opened(image: ImagePath, about: _About, mpp: float) -> RegionSlide:
    slide = about.open(mpp)
    slide.image, slide.notes = image, about.notes
    slide.warnings = (
        *slide.warnings,
        *about.warnings,
        *magnification_warning(mpp, about.magnification),
    )
    return with_true_levels(slide)


def _credible(path: Path, about: _About) -> float | None:
    if about.mpp is None or not all(_CREDIBLE_MPP[0] <= um <= _CREDIBLE_MPP[1] for um in about.mpp):
        return None
    x, y = about.mpp
    if abs(x - y) > 0.05 * min(x, y):
        raise DataContractError(uneven(str(path), x, y))
    return x


def _about(image: ImagePath) -> _About:
    """Header of an image by the backend of its file; all backends give the same pixels."""
    path = image.path
    if is_ome_zarr(path):
        return _of_zarr(image)
    if reason := no_file(path):
        found = "no such image" if reason == "no such file" else reason
        expected = "a JPEG, PNG, TIFF or whole slide"
        raise DataContractError(Problem(str(path), found, expected, "check the path"))
    if flat.is_flat_name(path):
        return _of_flat(image)
    known = vendor.vendor(path)
    if known not in _OF_TIFFFILE:
        return _of_vendor(image)
    if not tiff.is_tiff(path):
        raise not_a_slide(path)
    header = tiled.header(image)
    open_at: Callable[[float], RegionSlide]
    if known == "aperio" and header.needs_openslide:
        open_at = partial(VendorSlide, path, header.sizes)
    elif header.reads_regions:
        open_at = partial(TiledSlide, path, header.sizes)
    else:
        open_at = partial(FlatSlide, path, header.sizes)
    return _About(
        open=open_at,
        flat_size=None if header.reads_regions else header.sizes[0],
        mpp=header.mpp,
        magnification=header.magnification,
        orientation=header.orientation,
        notes=header.notes,
        warnings=header.warnings,
    )


def _of_flat(image: ImagePath) -> _About:
    path = image.path
    if tiff.is_tiff(path):  # by another name
        header = tiled.header(image)
        mpp, orientation, warnings = header.mpp, header.orientation, header.warnings
    else:
        mpp, orientation = flat.stated_mpp(path), flat.orientation(path)
        warnings = flat.told(path, image.number)
    size = flat.size(image)
    return _About(
        open=partial(FlatSlide, path, [size]),
        flat_size=size,
        mpp=mpp,
        orientation=orientation,
        warnings=warnings,
    )


def _of_zarr(image: ImagePath) -> _About:
    zarr, choice = choose_zarr_image(image)
    note = (choice.note,) if choice.note else ()
    return _About(partial(ZarrSlide, zarr), zarr.mpp, warnings=note)


def _of_vendor(image: ImagePath) -> _About:
    path = image.path
    sizes = vendor.sizes(path)
    images = [FileImage(*sizes[0]), *vendor.pictures(path)]
    choice = choose_image(str(path), images, image.number)
    if choice.index:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"image {image.number} is no scan: {images[choice.index]}",
                expected="image 1, the only scan of a file of this format",
                remedy="leave out the number",
            )
        )
    return _About(
        open=partial(VendorSlide, path, sizes),
        mpp=vendor.stated_mpp(path),
        magnification=vendor.magnification(path),
        notes=(choice.note,) if choice.note else (),
    )
