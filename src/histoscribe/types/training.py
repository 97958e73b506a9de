"""What models are fitted on, what they may see and what they return."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

from histoscribe.types.spot_keys import SpotKeys


class Images(ABC):
    """The tiles of the spots of a table, by row, read when asked for."""

    side_px: int

    @abstractmethod
    def read(self, rows: Int[np.ndarray, " B"]) -> UInt8[Tensor, "B 3 P P"]:
        """Read the tiles of these rows, in this order."""


@dataclass(frozen=True, eq=False)
class SpotTable:
    """Everything a model may be fitted on: the training spots of one fold, in one order."""

    feature: Float[np.ndarray, "N D"]
    target: Float[np.ndarray, "N G"]
    log_total: Float[np.ndarray, " N"]
    """log(1 + total count of the spot over all genes)."""
    keys: SpotKeys
    inner: tuple[tuple[Int[np.ndarray, " _"], Int[np.ndarray, " _"]], ...]
    """Row numbers of each inner split."""
    encoder: str
    """Identity of what made the features."""
    copies: int = 1
    """How often the spots are stacked: once as they are, then each jittered view of them."""
    image: Images | None = None
    """Where a model looks at pixels itself."""

    def __post_init__(self) -> None:
        sizes = {len(self.feature), len(self.target), len(self.log_total), len(self.keys)}
        if len(sizes) != 1:
            raise ValueError(f"a spot has a row in every field; lengths {sorted(sizes)}")

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def as_they_are(self) -> "SpotTable":
        """The spots without their jittered views."""
        n_spots = len(self) // self.copies
        return SpotTable(
            feature=self.feature[:n_spots],
            target=self.target[:n_spots],
            log_total=self.log_total[:n_spots],
            keys=self.keys.take(slice(n_spots)),
            image=self.image,
            inner=tuple((fit[fit < n_spots], val) for fit, val in self.inner),
            encoder=self.encoder,
        )


@dataclass(frozen=True, eq=False)
class Inputs:
    """What a model may see; a field that a model's `forward` does not name is never built."""

    image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"] | None = None
    """Floats are in 0-255 too: the model's first step normalises."""
    feature: Float[Tensor, "B D"] | None = None
    exemplar_feature: Float[Tensor, "B E D"] | None = None
    exemplar_target: Float[Tensor, "B E G"] | None = None
    context_feature: Float[Tensor, "B K D"] | None = None
    context_um: Float[Tensor, "B K 2"] | None = None
    """From the centroid of the tissue."""
    present: Bool[Tensor, "B K"] | None = None


@dataclass(frozen=True, eq=False)
class Output:
    """What every neural model returns."""

    expression: Float[Tensor, "*B G"]
    """In the target's space."""
