"""What every transform of counts has, and the size factors of spots."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float

from histoscribe.data.measured_genes import PanelCounts
from histoscribe.types.prediction import COUNTS_PER_SPOT


class Transform(ABC):
    """Converts counts to target values and, if mathematically possible, back."""

    name: ClassVar[str]
    statistic: ClassVar[str]
    """Statistics that it uses besides the spot itself; written on the card."""
    unit: ClassVar[str]
    """Unit of the target values in words, as on the axis of a plot."""
    size_factors: ClassVar[str] = "total over all genes measured"
    """Total that stands for the depth of a spot; written on the card."""
    non_negative: ClassVar[bool] = False
    """Whether no value can be below zero, at any spot."""

    @classmethod
    @abstractmethod
    def fit(cls, parts: Sequence[PanelCounts], n_listed: int) -> "Transform":
        """Fit on the training spots; `n_listed` genes are listed by any training section."""

    @abstractmethod
    def apply(self, panel: PanelCounts) -> Float[np.ndarray, "N G"]:
        """Target values; genes that were not measured stay NaN."""

    @abstractmethod
    def invert(
        self, values: Float[np.ndarray, "N G"], total: Float[np.ndarray, " N"]
    ) -> Float[np.ndarray, "N G"]:
        """Counts of spots with these totals. Raises ValueError if there is no inverse."""


def size_factors(total: Float[np.ndarray, " N"]) -> Float[np.ndarray, " N"]:
    """Size factors of spots from their totals over all measured genes."""
    return total / COUNTS_PER_SPOT
