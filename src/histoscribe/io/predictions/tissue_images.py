"""The tissue of a section as scanpy and squidpy draw it below its spots."""

from typing import Any

import numpy as np

from histoscribe.io.slides.resample import Box, shrink
from histoscribe.types import Slide, Spots

HIRES_PX = 2000
"""Longest side of the larger image, as Space Ranger makes it."""
_LOWRES_PX = 600


def tissue_images(slide: Slide, spots: Spots) -> dict[str, Any]:
    """Images and scale factors of one section, as scanpy's reader of Visium arranges them.

    The images `hires` and `lowres` have at most 2,000 and 600 px a side; those of a smaller slide
    keep its size. Scale factors are px of the image per level-0 px; `spot_diameter_fullres` is in
    level-0 px.
    """
    longest = max(slide.width, slide.height)
    hires = slide.overview(max(1.0, longest / HIRES_PX) * slide.mpp)
    lowres = _at_most(hires, _LOWRES_PX)
    return {
        "images": {"hires": hires, "lowres": lowres},
        "scalefactors": {
            "tissue_hires_scalef": max(hires.shape[:2]) / longest,
            "tissue_lowres_scalef": max(lowres.shape[:2]) / longest,
            "spot_diameter_fullres": spots.drawn_um / slide.mpp,
        },
        "metadata": {},
    }


def _at_most(image: np.ndarray, side_px: int) -> np.ndarray:
    """Shrink an image with a longer side."""
    height, width = image.shape[:2]
    factor = max(height, width) / side_px
    if factor <= 1:
        return image
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    return shrink(
        lambda left, top, right, bottom: image[top:bottom, left:right],
        Box(0.0, 0.0, float(width), float(height)),
        *size,
    )
