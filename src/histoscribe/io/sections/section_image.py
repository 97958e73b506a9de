"""The image of a section: a file of the user, or the small one that AnnData embeds."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_section import AnnDataSection
from histoscribe.io.sections.scale_factors import IMAGES
from histoscribe.io.slides.array import ArraySlide
from histoscribe.io.slides.resample import Box
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Slide


@dataclass(frozen=True, eq=False)
class SectionImage:
    """An image that can be opened once its um/px is known."""

    mpp: float | None
    """Um/px that the image itself states."""
    scale: float
    """Px of this image per px of the spot centres in the file."""
    open_at: Callable[[float], Slide]
    """Opens the image at a um/px."""
    notes: tuple[str, ...] = ()


def image_file(path: Path, white: tuple[Box, ...] = (), number: int | None = None) -> SectionImage:
    """Image file whose px are those of the spot centres; `number` chooses one of several in it."""
    stated_mpp = image_mpp(path, number)
    return SectionImage(stated_mpp, 1.0, lambda mpp: open_slide(path, mpp, white, number))


def embedded_image(path: Path, section: AnnDataSection) -> SectionImage:
    """The finest image that AnnData keeps of the library of a section.

    Raises
    ------
    DataContractError
        if there is no RGB image with its scale factor.
    """
    images = section.images
    scales = {"fullres": 1.0, "hires": section.factors.hires, "lowres": section.factors.lowres}
    for name in ("fullres", *IMAGES):
        pixels, scale = _rgb(images.get(name)), scales[name]
        if pixels is not None and scale is not None:
            height, width, _ = pixels.shape
            told = f"image: {name} of uns[spatial][{section.key}], {width} x {height} px, "
            told += f"{scale:.4g} px per px of the centres; no image file was named"
            label = f"{path.stem}-{name}"
            return SectionImage(None, scale, _opener(label, pixels), (told,))
    held = ", ".join(f"{name} ({_what(image)})" for name, image in images.items()) or "none"
    raise DataContractError(
        Problem(
            where=str(path),
            found=f"no image file in the manifest, and no image in the file that can be read: "
            f"{held} in uns[spatial][{section.key}]",
            expected="an H&E image in whose px the spot centres are; or a hires or lowres image "
            "(RGB) with its scale factor in uns[spatial]",
            remedy="name the image in the column `image` of the manifest",
        )
    )


def _opener(label: str, pixels: UInt8[np.ndarray, "h w 3"]) -> Callable[[float], Slide]:
    return lambda mpp: ArraySlide(label, pixels, mpp)


def _rgb(image: object) -> UInt8[np.ndarray, "h w 3"] | None:
    """Pixels as uint8, white where transparent; None for what is no RGB picture.

    scanpy stores values of 0 to 1.
    """
    if not isinstance(image, np.ndarray) or image.ndim != 3 or image.shape[2] not in (3, 4):
        return None
    if image.dtype == np.uint8:
        pixels = image
    elif np.issubdtype(image.dtype, np.floating) and _is_unit(image):
        pixels = np.rint(image * 255).astype(np.uint8)
    else:
        return None
    if pixels.shape[2] == 4:
        alpha = pixels[..., 3:].astype(np.float32) / 255
        pixels = np.rint(pixels[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
    return np.ascontiguousarray(pixels)


def _is_unit(image: np.ndarray) -> bool:
    return bool(np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1)


def _what(image: object) -> str:
    return f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else "no pixels"
