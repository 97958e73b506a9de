"""One section to look at: its slide, its places and the values of its genes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from histoscribe.io.byte_map import Blocks
from histoscribe.io.slides.deepzoom import DeepZoom
from histoscribe.types import Head


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneValues:
    """Values of every gene, read in blocks of rows when their maps are made."""

    identity: str
    """Everything that decides the values: the names of the files, their sizes and times."""
    predicted: Blocks
    measured: Blocks | None = None
    """In the same blocks of rows; None for a section that was not sequenced."""
    measured_unit: str | None = None

    def __post_init__(self) -> None:
        if (self.measured is None) != (self.measured_unit is None):
            raise ValueError("measured values have a unit")


@dataclass(frozen=True, eq=False, kw_only=True)
class SlideView:
    """One section to look at; coordinates are px of its slide, or of the picture in its place."""

    name: str
    """Section, and fold or model where two views are of one section."""
    head: Head
    values: GeneValues
    xy: Float[np.ndarray, "N 2"]
    """Centres in px of the slide; x right, y down."""
    mpp: float | None
    """um per px of the slide; None where nothing says it."""
    zoom: DeepZoom | None
    """Tiles of the slide; None without any picture."""
    warnings: tuple[str, ...] = ()

    @property
    def diameter_px(self) -> float | None:
        """Width of a place in px of the slide; None where um/px is unknown."""
        return None if self.mpp is None else self.head.spots.drawn_um / self.mpp
