"""Tissue masks given by the user: a picture of the whole slide, or polygons."""

import warnings
from pathlib import Path

import numpy as np
from jaxtyping import Bool
from PIL import Image, UnidentifiedImageError
from skimage.draw import polygon as polygon_px

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import no_file
from histoscribe.io.predictions.geojson import Polygon, read_polygons
from histoscribe.types import Slide

_MPP = 8.0
"""um per px at which polygons are drawn: as fine as the automatic mask."""
_GREY = ("1", "L", "I", "F", "I;16", "I;16B", "I;16L")
_ASPECT = 0.02


def read_mask(path: Path, slide: Slide) -> Bool[np.ndarray, "height width"]:
    """Read the tissue mask of a slide, as a picture of the whole slide.

    In an image, every px that is not zero (black) is tissue, at any scale. In GeoJSON (`.geojson`,
    `.json`) the inside of the polygons is tissue, in level-0 px of the slide; drawn at 8 um/px.

    Raises
    ------
    DataContractError
        for a file that is neither, and for an image that does not fit this slide: its proportions
        differ from the slide's by more than 2 %.
    """
    if path.suffix.lower() in (".geojson", ".json"):
        return draw_polygons(read_polygons(path), slide)
    inside = read_mask_image(path)
    _check_aspect(path, inside, slide)
    return inside


def draw_polygons(polygons: list[Polygon], slide: Slide) -> Bool[np.ndarray, "height width"]:
    """Draw polygons as a mask: a px is tissue if its centre lies in a polygon but in no hole."""
    scale = max(1.0, _MPP / slide.mpp)
    height, width = (max(1, round(side / scale)) for side in (slide.height, slide.width))
    inside = np.zeros((height, width), dtype=bool)
    for rings in polygons:
        own = np.zeros_like(inside)
        for number, ring in enumerate(rings):
            x, y = np.array(ring, dtype=np.float64).T
            at = polygon_px(
                y * height / slide.height - 0.5, x * width / slide.width - 0.5, inside.shape
            )
            own[at] = number == 0
        inside |= own
    return inside


def read_mask_image(path: Path) -> Bool[np.ndarray, "height width"]:
    """Read a mask of any size from a picture: True where a px is not zero (black).

    Raises DataContractError for what is no picture, and for one that is too large.
    """
    if reason := no_file(path):
        raise DataContractError(_refused(path, reason, "check the path"))
    try:
        with warnings.catch_warnings(), Image.open(path) as image:
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if image.mode in _GREY:
                return np.array(image, dtype=bool)
            # colour without alpha: an opaque picture has no zero in it
            return np.logical_or.reduce(np.asarray(image.convert("RGB")), axis=2)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise DataContractError(
            _refused(path, "a very large picture", "save it at 8 um/px: finer detail is not used")
        ) from None
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
        raise DataContractError(
            _refused(path, f"not a picture that can be read ({error})", "save it as PNG")
        ) from None


def _check_aspect(path: Path, inside: Bool[np.ndarray, "height width"], slide: Slide) -> None:
    height, width = inside.shape
    if abs(width / height / (slide.width / slide.height) - 1) > _ASPECT:
        raise DataContractError(
            _refused(
                path,
                f"{width} x {height} px for a slide of {slide.width} x {slide.height} px",
                "export the mask over the whole slide, at any scale",
            )
        )


def _refused(path: Path, found: str, remedy: str) -> Problem:
    return Problem(
        where=f"--mask {path}",
        found=found,
        expected="a picture of the whole slide that is zero off the tissue (PNG or TIFF), "
        "or GeoJSON polygons in level-0 px",
        remedy=remedy,
    )
