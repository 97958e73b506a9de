"""Bags of tiles with one measured label each: all data for fitting a model of bags."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.data.feature_source import FeatureSource
from histoscribe.types import SpotKeys


@dataclass(frozen=True, eq=False, kw_only=True)
class BagTable:
    """Bags with their tiles and one measured label each."""

    feature: FeatureSource
    """Features of all tiles of a run; a bag names its rows."""
    xy_um: Float[np.ndarray, "N 2"]
    """Place of each tile in um from the centroid of the tiles of its section."""
    slide: Int[np.ndarray, " N"]
    """Number of the section of each tile."""
    runs: tuple[Int[np.ndarray, " _"], ...]
    """Rows of each bag."""
    target: Float[np.ndarray, "M G"]
    """Label of each bag in the target's unit; NaN for a gene that was not measured."""
    log_total: Float[np.ndarray, " M"]
    """log(1 + total over all genes) of each bag."""
    keys: SpotKeys
    """Name and patient of each bag; a bag stands for its own section."""
    inner: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]], ...]
    """Bags of each inner split."""
    encoder: str
    """Identity of the encoder of the features."""
    counts: Float[np.ndarray, "M G"] | None = None
    """Raw counts of the panel; None for values that are no counts."""
    concept: Float[np.ndarray, "M C"] | None = None
    """Measures that steer training, mean over the tiles of each bag, as multiples of their
    deviation from their mean; NaN where one is undefined.
    """
    sites: Mapping[str, str] | None = None
    """Site of each patient; None if unknown."""

    def __post_init__(self) -> None:
        sizes = {len(self.runs), len(self.target), len(self.log_total), len(self.keys)}
        if len(sizes) != 1:
            raise ValueError(f"a bag has a row in every field; lengths {sorted(sizes)}")
        if not all(map(len, self.runs)):
            raise ValueError("a bag has at least one tile")
        if not len(self.xy_um) == len(self.slide) == self.feature.shape[0]:
            raise ValueError(
                f"{len(self.xy_um)} places and {len(self.slide)} slides of "
                f"{self.feature.shape[0]} tiles"
            )

    def __len__(self) -> int:
        return len(self.runs)
