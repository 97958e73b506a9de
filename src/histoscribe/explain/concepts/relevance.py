"""How much a prediction leans on a concept: sensitivity and bidirectional relevance.

Graziani et al. 2018, arXiv:1904.04520. Sensitivity is the slope of the prediction along the vector
of the concept; relevance is R2 times its mean over its standard deviation.
"""

import numpy as np
from jaxtyping import Float

from histoscribe.explain.concepts.vectors import ConceptVectors


def sensitivities(
    vectors: ConceptVectors, slope: Float[np.ndarray, "N G C"]
) -> Float[np.ndarray, "N G K"]:
    """Slope of each gene along each concept, on each tile, per standard deviation of features.

    A tile takes the vector that was fitted without its group, so a direction that changes with
    the patients left out gives changing slopes.

    Parameters
    ----------
    slope
        Gradient of the prediction to the features averaged over the tile.
    """
    n_tiles, n_genes, _ = slope.shape
    values = np.empty((n_tiles, n_genes, vectors.direction.shape[1]))
    for fold, (direction, scale) in enumerate(zip(vectors.direction, vectors.scale, strict=True)):
        rows = vectors.fold == fold
        values[rows] = (slope[rows] * scale) @ direction.T
    return values


def bidirectional_relevance(
    r2: Float[np.ndarray, " M"], ratio: Float[np.ndarray, "G M n"]
) -> Float[np.ndarray, "G M n"]:
    """Br = R2 * mean S / std S; 0 for a concept that tiles left out do not have (R2 below 0).

    Parameters
    ----------
    ratio
        Mean over deviation of the slopes, along one or several vectors for each concept.
    """
    return np.maximum(r2, 0.0)[:, None] * ratio


def steadiness(sensitivity: Float[np.ndarray, "N G K"]) -> Float[np.ndarray, "G K"]:
    """Mean of the slopes over their standard deviation.

    0 where the prediction does not change along the concept at all; NaN where it changes by
    exactly the same on every tile, for then the ratio has no bound.
    """
    mean, deviation = sensitivity.mean(axis=0), sensitivity.std(axis=0)
    flat = np.abs(sensitivity).max(axis=0) <= _ROUNDING
    same = deviation <= _ROUNDING * np.maximum(np.abs(mean), _ROUNDING)
    return np.where(flat, 0.0, mean / np.where(same, np.nan, deviation))


def normalised(relevance: Float[np.ndarray, "G K"]) -> Float[np.ndarray, "G K"]:
    """Divide relevance by the largest size of each gene: values in -1..1, zeros stay."""
    most = np.nanmax(np.abs(relevance), axis=1, keepdims=True, initial=0.0)
    return relevance / np.where(most > 0, most, 1.0)


def share_as_extreme(
    value: Float[np.ndarray, "*shape"], draws: Float[np.ndarray, "*shape n"]
) -> Float[np.ndarray, "*shape"]:
    """One-sided p-value: share of draws at least as large in size; NaN where undefined."""
    extreme = (np.abs(draws) >= np.abs(value)[..., None] - _ROUNDING).sum(axis=-1)
    p = (1 + extreme) / (1 + draws.shape[-1])
    return np.where(np.isnan(value), np.nan, p)


_ROUNDING = 1e-12
