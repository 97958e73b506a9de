"""What lies below the places of a view: a slide, a picture of it, or nothing."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, UInt8

from histoscribe.io.slides.array import ArraySlide
from histoscribe.io.slides.deepzoom import DeepZoom
from histoscribe.io.slides.region import RegionSlide


@dataclass(frozen=True, eq=False)
class Ground:
    """Tiles below the places; coordinates are px of the slide, or of the picture in its place."""

    xy: Float[np.ndarray, "N 2"]
    """Centres of the places; x right, y down."""
    mpp: float | None
    """um per px; None where nothing says it."""
    zoom: DeepZoom | None = None
    """None without any picture."""
    warnings: tuple[str, ...] = ()


def slide_ground(
    slide: RegionSlide,
    xy: Float[np.ndarray, "N 2"],
    overview: UInt8[np.ndarray, "height width 3"] | None = None,
) -> Ground:
    """Ground of a slide; `overview` shows the whole slide small."""
    return Ground(xy, slide.mpp, DeepZoom(slide, overview), slide.warnings)


def picture_ground(
    name: str,
    pixels: UInt8[np.ndarray, "height width 3"],
    xy: Float[np.ndarray, "N 2"],
    mpp: float | None,
    warnings: tuple[str, ...],
) -> Ground:
    """Ground of a picture; `xy` and `mpp` are in px of it."""
    slide = ArraySlide(name, np.ascontiguousarray(pixels), 1.0 if mpp is None else mpp)
    return Ground(xy, mpp, DeepZoom(slide), warnings)
