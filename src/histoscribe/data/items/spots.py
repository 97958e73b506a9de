"""What networks are shown of spots: the fields of `Inputs` that a `forward` names, by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from histoscribe.types import Images, SpotKeys

Batch = dict[str, Tensor]
"""Field of `Inputs` -> its values for the items of a batch."""


@dataclass(frozen=True, eq=False)
class SpotQueries:
    """Spots to predict, with what must be known of them."""

    feature: Float[np.ndarray, "N D"]
    keys: SpotKeys
    encoder: str
    """Identity of what made the features."""
    image: Images | None = None
    """Row by row as the features; None where the model sees none."""

    def __post_init__(self) -> None:
        if len(self.feature) != len(self.keys):
            raise ValueError(f"{len(self.feature)} features for {len(self.keys)} spots")

    def __len__(self) -> int:
        return len(self.keys)

    @classmethod
    def unnamed(
        cls, feature: Float[np.ndarray, "N D"], encoder: str, image: Images
    ) -> "SpotQueries":
        """Spots of which nothing is known but their features and tiles."""
        keys = SpotKeys.of_section("", None, [str(row) for row in range(len(feature))])
        return cls(feature, keys, encoder, image)


@dataclass(frozen=True, eq=False)
class Exemplars:
    """The exemplars of some spots: rows of a pool of training spots."""

    feature: Float[np.ndarray, "M D"]
    """Of the pool."""
    target: Float[np.ndarray, "M G"]
    """Of the pool."""
    rows: Int[np.ndarray, "N E"]
    """Of each spot, nearest first."""


@dataclass(frozen=True, eq=False)
class SpotItems:
    """All that may be shown of some spots."""

    feature: Float[np.ndarray, "N D"]
    image: Images | None = None
    exemplars: Exemplars | None = None

    def batch(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build these fields for these rows, and no others."""
        return {name: _BUILD[name](self, rows) for name in names}

    def _feature(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B D"]:
        return torch.from_numpy(self.feature[rows])

    def _image(self, rows: Int[np.ndarray, " B"]) -> Tensor:
        if self.image is None:
            raise ValueError("these spots come without their tiles")
        return self.image.read(rows)

    def _exemplar_feature(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B E D"]:
        found = self._found()
        return torch.from_numpy(found.feature[found.rows[rows]])

    def _exemplar_target(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B E G"]:
        found = self._found()
        return torch.from_numpy(found.target[found.rows[rows]])

    def _found(self) -> Exemplars:
        if self.exemplars is None:
            raise ValueError("no exemplars were looked up for these spots")
        return self.exemplars


_BUILD = {
    "feature": SpotItems._feature,
    "image": SpotItems._image,
    "exemplar_feature": SpotItems._exemplar_feature,
    "exemplar_target": SpotItems._exemplar_target,
}
BUILT = frozenset(_BUILD)
"""The fields of `Inputs` that can be built for a spot."""
