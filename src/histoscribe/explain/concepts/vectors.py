"""Regression concept vectors: the direction in a layer along which a measured concept grows.

Graziani et al. 2018, arXiv:1904.04520 and 2019, doi:10.1016/j.compbiomed.2020.103865. Features are
averaged over the tile and standardised; ridge regression of the concept gives the direction.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import GroupKFold

MOST_FOLDS = 5
"""Parts of the groups that are held out in turn; fewer groups are held out one by one."""
MOST_INNER_FOLDS = 3
"""Parts of the training groups that choose the penalty."""
FEWEST_GROUPS = 3
"""One is held out, and two choose the penalty."""
ALPHAS = (1.0, 10.0, 100.0, 1_000.0, 10_000.0)
"""Penalties to choose from; features and concepts are standardised."""


@final
@dataclass(frozen=True, eq=False)
class ConceptVectors:
    """Directions of several concepts at one layer, each fitted without one part of the groups."""

    r2: Float[np.ndarray, " K"]
    """Share of the variance that tiles of held-out groups explain, at most 1; below 0 where the
    mean explains more."""
    fold: Int[np.ndarray, " N"]
    """The part that a tile was held out with."""
    direction: Float[np.ndarray, "F K C"]
    """For each part the unit vectors in standardised features, fitted without this part."""
    scale: Float[np.ndarray, "F C"]
    """Standard deviation of each feature, of the tiles that the vectors were fitted on."""


def fit_vectors(
    pooled: Float[np.ndarray, "N C"],
    concept: Float[np.ndarray, "N K"],
    group: Int[np.ndarray, " N"],
) -> ConceptVectors:
    """Fit a direction for each concept, and see how well it holds in groups left out.

    Parameters
    ----------
    pooled
        Features of each tile, averaged over the tile.
    concept
        Value of each concept on each tile, all defined and none constant.
    group
        Patient, or section where patients are few; at least `FEWEST_GROUPS`.
    """
    n_folds = min(MOST_FOLDS, len(np.unique(group)))
    fold = np.empty(len(pooled), dtype=np.int64)
    predicted = np.empty_like(concept)
    directions, scales = [], []
    for part, (train, test) in enumerate(GroupKFold(n_folds).split(pooled, groups=group)):
        features, values = Standard.of(pooled[train]), Standard.of(concept[train])
        x, y = features.apply(pooled[train]), values.apply(concept[train])
        weights = ridge_weights(x, y, choose_alphas(x, y, group[train]).alpha)
        fold[test] = part
        predicted[test] = values.undo(features.apply(pooled[test]) @ weights.T)
        directions.append(_unit_rows(weights))
        scales.append(features.scale)
    r2 = r2_score(concept, predicted, multioutput="raw_values")
    return ConceptVectors(np.asarray(r2), fold, np.stack(directions), np.stack(scales))


@final
@dataclass(frozen=True, eq=False)
class InnerChoice:
    """Penalty of each target, chosen on groups left out."""

    alpha: Float[np.ndarray, " K"]
    predicted: Float[np.ndarray, "N K"]
    """Prediction of each tile with this penalty, fitted without its part of the groups."""


def choose_alphas(
    x: Float[np.ndarray, "N C"], y: Float[np.ndarray, "N K"], group: Int[np.ndarray, " N"]
) -> InnerChoice:
    """Choose the penalty with the least squared error in groups left out, for each target."""
    n_folds = min(MOST_INNER_FOLDS, len(np.unique(group)))
    predicted = np.empty((len(ALPHAS), *y.shape))
    for train, test in GroupKFold(n_folds).split(x, groups=group):
        for row, alpha in enumerate(ALPHAS):
            fitted = Ridge(alpha).fit(x[train], y[train])
            predicted[row, test] = fitted.predict(x[test]).reshape(len(test), -1)
    best = np.square(predicted - y).sum(axis=1).argmin(axis=0)
    return InnerChoice(np.array(ALPHAS)[best], predicted[best, :, np.arange(y.shape[1])].T)


def ridge_weights(
    x: Float[np.ndarray, "N C"], y: Float[np.ndarray, "N K"], alpha: Float[np.ndarray, " K"]
) -> Float[np.ndarray, "K C"]:
    """Weights of standardised features for standardised targets, each with its penalty."""
    weights = np.empty((y.shape[1], x.shape[1]))
    for one in np.unique(alpha):
        # x and y have mean zero: no intercept is left
        weights[alpha == one] = Ridge(one, fit_intercept=False).fit(x, y[:, alpha == one]).coef_
    return weights


@final
@dataclass(frozen=True, eq=False)
class Standard:
    """Mean and deviation of columns; a constant column becomes zero."""

    mean: Float[np.ndarray, " C"]
    scale: Float[np.ndarray, " C"]

    @classmethod
    def of(cls, values: Float[np.ndarray, "N C"]) -> "Standard":
        """Mean and deviation over these rows."""
        scale = values.std(axis=0)
        return cls(values.mean(axis=0), np.where(scale > _CONSTANT, scale, 1.0))

    def apply(self, values: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "n C"]:
        """Columns of mean 0 and deviation 1."""
        return (values - self.mean) / self.scale

    def undo(self, values: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "n C"]:
        """Undo `apply`."""
        return values * self.scale + self.mean


_CONSTANT = 1e-9


def _unit_rows(weights: Float[np.ndarray, "K C"]) -> Float[np.ndarray, "K C"]:
    length = np.linalg.norm(weights, axis=1, keepdims=True)
    return weights / np.where(length > 0, length, 1.0)
