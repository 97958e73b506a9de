"""Metrics of the benchmark of 2025 over min-max-scaled values; panel only.

Wang et al., Nature Communications 2025 (doi 10.1038/s41467-025-56618-y). A gene that is constant in
the section is NaN in all of them. Choices that the paper leaves open are stated here.
"""

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.metrics.evaluated import Evaluated

N_BINS = 10
"""Equal-width bins of the scaled values in `nmi`: with a few hundred spots a bin holds tens."""


def ssim(evaluated: Evaluated) -> Float[np.ndarray, " G"]:
    """Global structural similarity per gene: one window over all spots (Wang et al. 2004, eq. 13).

    C1 = 0.01^2 and C2 = 0.03^2 for values scaled to 0..1. A constant prediction scores 0.
    """
    x, y = _scaled(evaluated)
    c1, c2 = 0.01**2, 0.03**2
    x_mean, y_mean = x.mean(axis=0), y.mean(axis=0)
    covariance = ((x - x_mean) * (y - y_mean)).mean(axis=0)
    level = (2 * x_mean * y_mean + c1) / (x_mean**2 + y_mean**2 + c1)
    score = level * (2 * covariance + c2) / (x.var(axis=0) + y.var(axis=0) + c2)
    return _defined(evaluated, np.where(evaluated.moments.x_constant, 0.0, score))


def js(evaluated: Evaluated) -> Float[np.ndarray, " G"]:
    """Jensen-Shannon divergence per gene between two distributions over spots, in bits, 0 to 1.

    0 is best. The scaled values of a gene divided by their sum are its distribution over the
    section; a constant prediction is the uniform distribution.
    """
    x, y = _scaled(evaluated)
    x = np.where(evaluated.moments.x_constant, 1.0, x)
    y = np.where(evaluated.varies, y, 1.0)
    p, q = x / x.sum(axis=0), y / y.sum(axis=0)
    middle = (p + q) / 2
    return _defined(evaluated, (_bits(p, middle) + _bits(q, middle)) / 2)


def nmi(evaluated: Evaluated) -> Float[np.ndarray, " G"]:
    """Mutual information per gene between binned values, over the mean of the two entropies.

    Returns
    -------
    [G] in 0..1; 0 for a constant prediction. Few spots bias it upwards: compare it with the
    same number under shuffled spots, not with 0.
    """
    x, y = (np.minimum((v * N_BINS), N_BINS - 1).astype(np.int64) for v in _scaled(evaluated))
    n_genes = x.shape[1]
    joint = np.zeros((N_BINS * N_BINS, n_genes))
    np.add.at(joint, (x * N_BINS + y, np.arange(n_genes)), 1 / len(x))
    table = joint.reshape(N_BINS, N_BINS, n_genes)
    h_x, h_y = _entropy(table.sum(axis=1)), _entropy(table.sum(axis=0))
    shared = np.maximum(h_x + h_y - _entropy(joint), 0.0)
    score = 2 * shared / np.where(evaluated.varies, h_x + h_y, 1.0)
    return _defined(evaluated, np.where(evaluated.moments.x_constant, 0.0, score))


def _scaled(
    evaluated: Evaluated,
) -> tuple[Float[np.ndarray, "N G"], Float[np.ndarray, "N G"]]:
    """Both sides scaled to 0..1 per gene; zeros where constant or not measured."""
    x = _min_max(evaluated.predicted, evaluated.moments.x_constant)
    return x, _min_max(evaluated.measured, ~evaluated.varies)


def _min_max(
    values: Float[np.ndarray, "N G"], flat: Bool[np.ndarray, " G"]
) -> Float[np.ndarray, "N G"]:
    values = np.where(flat, 0.0, values.astype(np.float64))
    low, span = values.min(axis=0), np.ptp(values, axis=0)
    return (values - low) / np.where(flat, 1.0, span)


def _bits(p: Float[np.ndarray, "N G"], q: Float[np.ndarray, "N G"]) -> Float[np.ndarray, " G"]:
    """Kullback-Leibler divergence of p from q, column by column; 0 log 0 is 0."""
    ratio = np.divide(p, q, out=np.ones_like(p), where=p > 0)
    return (p * np.log2(ratio)).sum(axis=0)


def _entropy(p: Float[np.ndarray, "bins G"]) -> Float[np.ndarray, " G"]:
    return -(p * np.log2(np.where(p > 0, p, 1.0))).sum(axis=0)


def _defined(evaluated: Evaluated, score: Float[np.ndarray, " G"]) -> Float[np.ndarray, " G"]:
    return np.where(evaluated.varies, score, np.nan)
