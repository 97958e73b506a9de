"""The training mean: a prediction that ignores the image."""

from collections.abc import Mapping
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from histoscribe.models.base import Estimator, register
from histoscribe.types import SpotTable


@final
@register("mean")
class MeanModel(Estimator):
    """Predicts every spot by the mean of the training spots."""

    paper = "baseline"
    axes: ClassVar[Mapping[str, str]] = {"mean": "G"}

    def fit(self, table: SpotTable) -> "MeanModel":
        """Compute the mean of each gene."""
        self._mean = table.target.mean(axis=0, dtype=np.float64)
        return self

    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """The training mean for every spot."""
        return np.tile(self._mean.astype(np.float32), (len(feature), 1))

    def state(self) -> dict[str, np.ndarray]:
        """The mean of each gene [G]."""
        return {"mean": self._mean}

    def restore(self, state: Mapping[str, np.ndarray]) -> "MeanModel":
        """Take the array of `state`."""
        (self._mean,) = (state[name] for name in ("mean",))
        return self
