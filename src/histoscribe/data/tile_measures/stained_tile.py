"""A tile with its stains and nuclei, computed once for all measures."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, UInt8

from histoscribe.data.stain_density import stain_density
from histoscribe.data.tile_measures.nuclei import SegmentedNuclei, segment_nuclei

_LEAST_TISSUE = 0.05  # of the tile: with less there is nothing to measure


@dataclass(frozen=True, eq=False)
class StainedTile:
    """One tile; px of pure white are off the tissue, for tiles are read so."""

    pixels: UInt8[np.ndarray, "P P 3"]
    mpp: float

    @cached_property
    def tissue(self) -> Bool[np.ndarray, "P P"]:
        """Where tissue is, lumina and fat included."""
        return ~(self.pixels == 255).all(axis=-1)

    @cached_property
    def stain(self) -> Float[np.ndarray, "P P 2"]:
        """Optical density of haematoxylin and eosin."""
        return stain_density(self.pixels)

    @cached_property
    def darkness(self) -> Float[np.ndarray, "P P"]:
        """Optical density of the mean over red, green and blue."""
        return -np.log10((self.pixels.mean(axis=-1) + 1.0) / 256.0)

    @cached_property
    def nuclei(self) -> SegmentedNuclei:
        """All nuclei, those that the border cuts included."""
        return segment_nuclei(self.stain[..., 0], self.mpp)

    @property
    def tissue_mm2(self) -> float:
        """Area of the tissue."""
        return float(self.tissue.sum()) * (self.mpp / 1000.0) ** 2

    @property
    def has_tissue(self) -> bool:
        """Whether there is enough tissue to measure."""
        return bool(self.tissue.mean() >= _LEAST_TISSUE)
