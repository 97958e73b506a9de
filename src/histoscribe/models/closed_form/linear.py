"""Shared last step of every ridge: standardise, multiply, add."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Float

from histoscribe.models.base import Estimator
from histoscribe.models.closed_form.ridge_path import RidgePath, choose_alpha
from histoscribe.types import SpotTable


class LinearEstimator(Estimator):
    """Linear in standardised features, one column of weights per gene."""

    axes: ClassVar[Mapping[str, str]] = {"mean": "D", "scale": "D", "weights": "D G", "bias": "G"}

    def __init__(self, config: Any = None) -> None:
        super().__init__(config)
        self._state: dict[str, np.ndarray] = {}

    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """Linear in the standardised features."""
        state = self._state
        standardised = (feature - state["mean"]) / state["scale"]
        return (standardised @ state["weights"] + state["bias"]).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Feature mean and scale [D], weights [D, G], bias [G]."""
        return self._state

    def restore(self, state: Mapping[str, np.ndarray]) -> "LinearEstimator":
        """Take the arrays of `state`."""
        if set(state) != {"mean", "scale", "weights", "bias"}:
            raise ValueError(f"{self.name}: unexpected arrays {sorted(state)}")
        self._state = dict(state)
        return self

    def fit_ridge(self, table: SpotTable) -> None:
        """Choose alpha on the inner folds, then fit on all training spots."""
        alpha, scores = choose_alpha(table)
        self.choice = {"alpha": alpha, "inner_pcc": scores}
        path = RidgePath(table.feature)
        self._state = {
            "mean": path.mean,
            "scale": path.scale,
            "weights": path.weights(table.target, alpha),
            "bias": table.target.mean(axis=0, dtype=np.float64),
        }
