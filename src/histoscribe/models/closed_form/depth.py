"""Predicted depth: how well a single number, the total count, predicts all genes."""

from collections.abc import Mapping
from dataclasses import replace
from typing import ClassVar, final

import numpy as np
from jaxtyping import Float

from histoscribe.models.base import Estimator, register
from histoscribe.models.closed_form.ridge_path import RidgePath, choose_alpha
from histoscribe.types import SpotTable


@final
@register("depth")
class DepthModel(Estimator):
    """Image -> log total count (ridge) -> each gene (a straight line), both on training spots.

    A model that does not beat this one has shown only that cell-rich tissue gives more molecules.
    """

    paper = "baseline"
    axes: ClassVar[Mapping[str, str]] = {
        **{"mean": "D", "scale": "D", "weights": "D", "bias": "1"},
        **{"slope": "G", "intercept": "G"},
    }

    def fit(self, table: SpotTable) -> "DepthModel":
        """Fit the ridge to log total, and each gene's line to the measured log total."""
        depth = table.log_total[:, None].astype(np.float64)
        alpha, scores = choose_alpha(replace(table, target=depth.astype(np.float32)))
        path = RidgePath(table.feature)
        self.choice = {"alpha": alpha, "inner_pcc": scores}
        slope, intercept = line_per_gene(table.log_total, table.target)
        self._state = {
            "mean": path.mean,
            "scale": path.scale,
            "weights": path.weights(depth, alpha)[:, 0],
            "bias": depth.mean(axis=0),
            "slope": slope,
            "intercept": intercept,
        }
        return self

    def predict_log_total(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, " N"]:
        """Depth predicted from each image, as log(1 + total count)."""
        state = self._state
        return (feature - state["mean"]) / state["scale"] @ state["weights"] + state["bias"]

    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """Each gene by its line at the predicted depth."""
        depth = self.predict_log_total(feature)[:, None]
        return (depth * self._state["slope"] + self._state["intercept"]).astype(np.float32)

    def state(self) -> dict[str, np.ndarray]:
        """Ridge to log total [D], line per gene [G]."""
        return self._state

    def restore(self, state: Mapping[str, np.ndarray]) -> "DepthModel":
        """Take the arrays of `state`."""
        if set(state) != {"mean", "scale", "weights", "bias", "slope", "intercept"}:
            raise ValueError(f"{self.name}: unexpected arrays {sorted(state)}")
        self._state = dict(state)
        return self


def line_per_gene(
    depth: Float[np.ndarray, " N"], target: Float[np.ndarray, "N G"]
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    """Least-squares slope and intercept of each gene on depth; slope 0 at constant depth."""
    centred = depth - depth.mean()
    spread = float(centred @ centred)
    mean = target.mean(axis=0, dtype=np.float64)
    slope = centred @ (target - mean) / spread if spread > 0 else np.zeros_like(mean)
    return slope, mean - slope * depth.mean()
