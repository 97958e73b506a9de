"""The ridge probe of the HEST-Benchmark, reproduced exactly."""

from dataclasses import dataclass
from typing import final

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from histoscribe.models.base import register
from histoscribe.models.closed_form.linear import LinearEstimator
from histoscribe.types import SpotTable


@dataclass(frozen=True, kw_only=True)
class HestConfig:
    """The HEST-Benchmark probe."""

    n_components: int = 256
    """Principal components kept; fewer where there are fewer spots or features."""

    @classmethod
    def tiny(cls) -> "HestConfig":
        """Settings for tests."""
        return cls(n_components=8)


@final
@register("ridge-hest")
class HestRidge(LinearEstimator):
    """The HEST-Benchmark recipe: standardise, PCA, ridge without intercept at a fixed alpha.

    alpha = 100 / (components x genes): 0.0078125 for 256 components and 50 genes. Without an
    intercept the level of a prediction is meaningless: use its correlations only.
    """

    paper = "arXiv:2406.16192"
    Config = HestConfig

    def fit(self, table: SpotTable) -> "HestRidge":
        """Fit scaler, PCA and ridge on all training spots; chooses nothing."""
        scaler = StandardScaler().fit(table.feature)
        standardised = scaler.transform(table.feature)
        n_components = min(self.config.n_components, *standardised.shape)
        pca = PCA(n_components, svd_solver="full").fit(standardised)
        alpha = hest_alpha(n_components, table.target.shape[1])
        ridge = Ridge(alpha=alpha, fit_intercept=False, solver="lsqr")
        ridge.fit(pca.transform(standardised), table.target)
        weights = pca.components_.T @ np.atleast_2d(ridge.coef_).T
        self.choice = {"alpha": alpha}
        self._state = {
            "mean": scaler.mean_.astype(np.float64),
            "scale": scaler.scale_.astype(np.float64),
            "weights": weights.astype(np.float64),
            "bias": -(pca.mean_ @ weights).astype(np.float64),
        }
        return self


def hest_alpha(n_components: int, n_genes: int) -> float:
    """Alpha of the HEST-Benchmark.

    >>> hest_alpha(256, 50)
    0.0078125
    """
    return 100 / (n_components * n_genes)
