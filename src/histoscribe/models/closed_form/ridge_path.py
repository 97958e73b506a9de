"""Ridge for every alpha and every gene from one singular value decomposition."""

import numpy as np
from jaxtyping import Float

from histoscribe.models.closed_form.standard import mean_and_scale
from histoscribe.models.inner_validation import best_on_inner, known_scores
from histoscribe.types import SpotTable

ALPHAS = tuple(10.0**power for power in range(6, -2, -1))
"""1e6 to 0.1, strongest first; the penalty of sum |y - Xw|^2 + alpha |w|^2."""

FIXED_ALPHA = 1e3
"""Used only where a fold is too small for inner folds."""


class RidgePath:
    """Ridge solutions for every alpha from one singular value decomposition.

    Features are standardised (constant ones stay at zero) and targets centred, so there is an
    unpenalised intercept. The caller refuses undefined (NaN) targets.
    """

    def __init__(self, feature: Float[np.ndarray, "N D"]) -> None:
        self.mean, self.scale = mean_and_scale(feature)
        self._u, self._s, self._vt = np.linalg.svd(self.standardised(feature), full_matrices=False)

    def standardised(self, feature: Float[np.ndarray, "M D"]) -> Float[np.ndarray, "M D"]:
        """Features in units of the training spots' standard deviation."""
        return (feature - self.mean) / self.scale

    def smoother(self, feature: Float[np.ndarray, "M D"], alpha: float) -> Float[np.ndarray, "M N"]:
        """Matrix that maps centred training targets to predictions of `feature`."""
        projected = self.standardised(feature) @ self._vt.T
        return projected * (self._s / (self._s**2 + alpha)) @ self._u.T

    def weights(self, target: Float[np.ndarray, "N G"], alpha: float) -> Float[np.ndarray, "D G"]:
        """Weights on standardised features for centred targets."""
        shrunk = (self._s / (self._s**2 + alpha))[:, None]
        return self._vt.T @ (shrunk * (self._u.T @ (target - target.mean(axis=0))))

    def predict_path(
        self, target: Float[np.ndarray, "N G"], feature: Float[np.ndarray, "M D"]
    ) -> list[Float[np.ndarray, "M G"]]:
        """Predictions of `feature` for each of `ALPHAS`."""
        mean = target.mean(axis=0, dtype=np.float64)
        rotated = self._u.T @ (target - mean)
        projected = self.standardised(feature) @ self._vt.T
        return [
            mean + projected @ ((self._s / (self._s**2 + alpha))[:, None] * rotated)
            for alpha in ALPHAS
        ]


def choose_alpha(table: SpotTable) -> tuple[float, dict[str, float | None]]:
    """Choose alpha on the inner folds.

    Returns
    -------
    The alpha, and the mean inner score of each; fixed, with no scores, without inner folds.
    """
    if not table.inner:
        return FIXED_ALPHA, {}
    best, scores = best_on_inner(
        table, lambda x, y, x_val: RidgePath(x).predict_path(y, x_val), len(ALPHAS)
    )
    names = (f"{alpha:g}" for alpha in ALPHAS)
    return ALPHAS[best], dict(zip(names, known_scores(scores), strict=True))
