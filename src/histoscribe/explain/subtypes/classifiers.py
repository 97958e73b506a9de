"""Classifiers of one class against the rest: additive boosting with shapes, and two to compare."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from histoscribe.extras import need

HeldShape = Literal["rising", "falling", "flat"]
PINNED = {"interactions": 0, "outer_bags": 4, "learning_rate": 0.1, "max_rounds": 100}
"""Settings of the boosting machine; as the library comes, one fit of 63 x 35 takes minutes."""
_SEED = 0
_SIGN = {"rising": 1, "falling": -1}


@dataclass(frozen=True, eq=False)
class AdditiveModel:
    """Boosting machine whose score is the sum of one function of each gene."""

    machine: Any
    """`ExplainableBoostingClassifier` of interpret-core."""
    columns: Bool[np.ndarray, " F"]
    """Genes that have a function; the others were held flat."""

    def score(self, x: Float[np.ndarray, "N F"]) -> Float[np.ndarray, " N"]:
        """Log odds of the class."""
        return np.asarray(self.machine.decision_function(x[:, self.columns]), dtype=np.float64)

    def terms(self, x: Float[np.ndarray, "N F"]) -> Float[np.ndarray, "N F"]:
        """What each gene adds to the log odds."""
        terms = np.zeros(x.shape)
        terms[:, self.columns] = self.machine.eval_terms(x[:, self.columns])
        return terms


def fit_additive(
    x: Float[np.ndarray, "N F"],
    positive: Bool[np.ndarray, " N"],
    hold: Mapping[int, HeldShape] | None = None,
) -> AdditiveModel:
    """Fit an explainable boosting machine (Nori et al. 2019, arXiv:1909.09223) in one process.

    `hold` gives the shape that the function of a column keeps.
    """
    glassbox = need("interpret.glassbox", "explain", "explain subtypes")
    shapes = hold or {}
    columns = np.array([shapes.get(column) != "flat" for column in range(x.shape[1])])
    signs = [_SIGN.get(shapes.get(int(c), ""), 0) for c in np.flatnonzero(columns)]
    machine = glassbox.ExplainableBoostingClassifier(
        **PINNED,
        feature_types=["continuous"] * len(signs),
        monotone_constraints=signs if any(signs) else None,
        n_jobs=1,
        random_state=_SEED,
    )
    return AdditiveModel(machine.fit(x[:, columns], positive.astype(np.int64)), columns)


def logistic_score(
    x: Float[np.ndarray, "N F"], positive: Bool[np.ndarray, " N"], test: Float[np.ndarray, "M F"]
) -> Float[np.ndarray, " M"]:
    """Log odds of logistic regression on standardised genes, as scikit-learn brings it."""
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return np.asarray(model.fit(x, positive).decision_function(test), dtype=np.float64)


def trees_score(
    x: Float[np.ndarray, "N F"], positive: Bool[np.ndarray, " N"], test: Float[np.ndarray, "M F"]
) -> Float[np.ndarray, " M"]:
    """Log odds of gradient-boosted trees, as scikit-learn brings them."""
    model = GradientBoostingClassifier(random_state=_SEED)
    return np.asarray(model.fit(x, positive).decision_function(test), dtype=np.float64)
