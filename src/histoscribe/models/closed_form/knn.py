"""Nearest neighbours: the mean expression of the most similar training spots."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int

from histoscribe.models.base import Estimator, register
from histoscribe.models.closed_form.standard import mean_and_scale
from histoscribe.models.inner_validation import best_on_inner, known_scores
from histoscribe.neighbours import nearest_rows
from histoscribe.types import SpotTable

NEIGHBOURS = (100, 50, 20, 10, 5)
"""Numbers of neighbours tried on the inner folds, smoothest first."""

FIXED_NEIGHBOURS = 20
"""Used only where a fold is too small for inner folds."""


@dataclass(frozen=True, kw_only=True)
class KNNConfig:
    """Number and scaling of the neighbours."""

    n_neighbours: int | None = None
    """Number of neighbours; None chooses it on the inner folds."""
    standardise: bool = True
    """Whether features are scaled to equal deviation first; without scaling, and with a fixed
    number, the neighbours equal the exemplars of the exemplar models.
    """

    def __post_init__(self) -> None:
        if self.n_neighbours is not None and self.n_neighbours < 1:
            raise ValueError(f"n_neighbours must be at least 1, got {self.n_neighbours}")

    @classmethod
    def tiny(cls) -> "KNNConfig":
        """Settings for tests."""
        return cls()


@final
@register("knn")
class KNNModel(Estimator):
    """Mean expression of the nearest training spots, by L2 between standardised features."""

    paper = "doi:10.1109/TIT.1967.1053964"

    Config = KNNConfig
    axes: ClassVar[Mapping[str, str]] = {
        **{"mean": "D", "scale": "D", "feature": "M D", "target": "M G", "n_neighbours": ""}
    }

    def fit(self, table: SpotTable) -> "KNNModel":
        """Choose the number of neighbours if it is not given, then store all training spots."""
        n_neighbours = self.config.n_neighbours or FIXED_NEIGHBOURS
        self.choice = {}
        if table.inner and self.config.n_neighbours is None:
            best, scores = best_on_inner(table, _predict_path, len(NEIGHBOURS))
            n_neighbours = NEIGHBOURS[best]
            named = zip(map(str, NEIGHBOURS), known_scores(scores), strict=True)
            self.choice["inner_pcc"] = dict(named)
        n_neighbours = min(n_neighbours, len(table.target))
        self.choice["n_neighbours"] = n_neighbours
        mean, scale = mean_and_scale(table.feature)
        if not self.config.standardise:
            mean, scale = np.zeros_like(mean), np.ones_like(scale)
        self._state = {
            "mean": mean,
            "scale": scale,
            "feature": ((table.feature - mean) / scale).astype(np.float32),
            "target": table.target,
            "n_neighbours": np.array(n_neighbours),
        }
        return self

    def predict(self, feature: Float[np.ndarray, "N D"]) -> Float[np.ndarray, "N G"]:
        """Mean over the neighbours."""
        state = self._state
        standardised = ((feature - state["mean"]) / state["scale"]).astype(np.float32)
        offset = state["mean"] / state["scale"]
        n_neighbours = int(state["n_neighbours"])
        nearest = nearest_rows(state["feature"], standardised, n_neighbours, offset=offset)
        return _mean_over(nearest, state["target"])

    def state(self) -> dict[str, np.ndarray]:
        """Standardised features and targets of the training spots."""
        return self._state

    def restore(self, state: Mapping[str, np.ndarray]) -> "KNNModel":
        """Take the arrays of `state`."""
        if set(state) != {"mean", "scale", "feature", "target", "n_neighbours"}:
            raise ValueError(f"{self.name}: unexpected arrays {sorted(state)}")
        self._state = dict(state)
        return self


def _predict_path(
    feature: Float[np.ndarray, "fit D"],
    target: Float[np.ndarray, "fit G"],
    queries: Float[np.ndarray, "val D"],
) -> list[Float[np.ndarray, "val G"]]:
    mean, scale = mean_and_scale(feature)
    most = min(NEIGHBOURS[0], len(feature))
    points, asked = ((values - mean) / scale for values in (feature, queries))
    nearest = nearest_rows(points, asked, most, offset=mean / scale)
    return [_mean_over(nearest[:, : min(k, most)], target) for k in NEIGHBOURS]


def _mean_over(
    nearest: Int[np.ndarray, "M k"], target: Float[np.ndarray, "N G"]
) -> Float[np.ndarray, "M G"]:
    # a sparse product: indexing would build [M, k, G], gigabytes for a whole transcriptome
    n_queries, k = nearest.shape
    if k == len(target):
        # all training spots: in one order, for differences by rounding would be scored as a map
        nearest = np.sort(nearest, axis=1)
    weight = np.full(nearest.size, 1 / k, dtype=target.dtype)
    starts = np.arange(0, nearest.size + 1, k)
    average = sp.csr_matrix((weight, nearest.ravel(), starts), shape=(n_queries, len(target)))
    return average @ target
