"""Picture of a slide that a prediction file holds, in AnnData or SpatialData."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from jaxtyping import UInt8

from histoscribe.io.slides.zarr_slide import UNREADABLE, damaged, open_zarr_image

_PIXELS, _MICRONS = "global", "um"
"""Coordinate systems of `to_spatialdata`: level-0 px of the slide, and um."""


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """Picture of a whole slide, smaller than the slide or equal to it."""

    pixels: UInt8[np.ndarray, "height width 3"]
    scale: float
    """Px of the picture per level-0 px."""
    mpp: float | None = None
    """um per level-0 px, if the picture says it."""


def picture_in_uns(spatial: Mapping[str, Any], section: str) -> StoredPicture | None:
    """Larger picture of a section in `uns["spatial"]`; None without one."""
    if section not in spatial:
        return None
    of = spatial[section]
    pixels = np.asarray(of["images"]["hires"], dtype=np.uint8)
    return StoredPicture(pixels, float(of["scalefactors"]["tissue_hires_scalef"]))


def picture_in_zarr(element: Path) -> StoredPicture | None:
    """Picture of an image element that `to_spatialdata` made; None without one.

    Raises DataContractError for an element that cannot be read.
    """
    if not element.is_dir():
        return None
    image = open_zarr_image(element)
    _, height, width = image.sides
    try:
        attributes: Any = zarr.open_group(element, mode="r").attrs.asdict()
        scales = attributes.get("ome", attributes)["multiscales"][0]
        of = {one["output"]["name"]: _magnified(one) for one in scales["coordinateTransformations"]}
        pixels = image.read(slice(0, height), slice(0, width)).transpose(1, 2, 0)
        return StoredPicture(
            np.ascontiguousarray(pixels), 1 / of[_PIXELS], of[_MICRONS] / of[_PIXELS]
        )
    except UNREADABLE as error:
        raise damaged(element, error) from error


def _magnified(transformation: Mapping[str, Any]) -> float:
    """Factor by which a transformation of scales enlarges x."""
    if transformation["type"] == "sequence":
        return math.prod(_magnified(one) for one in transformation["transformations"])
    return 1.0 if transformation["type"] == "identity" else float(transformation["scale"][-1])
