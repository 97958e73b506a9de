"""How alike two maps are: the rank correlation of their cells, and their strongest fifths."""

import math

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from histoscribe.metrics.moments import pearson_per_gene

FIFTH = 0.2
_ROUNDING = 1e-6  # of the largest value of a map; nearer values are a tie


def rank_correlation(
    maps: Float[np.ndarray, "n cells"], others: Float[np.ndarray, "n cells"]
) -> Float[np.ndarray, " n"]:
    """Spearman correlation between the cells of two maps, pair by pair.

    NaN where one of the two is the same everywhere, for example zero.
    """
    ranks, other_ranks = (rankdata(_rounded(values), axis=1).T for values in (maps, others))
    found = pearson_per_gene(ranks, other_ranks)
    found[np.ptp(ranks, axis=0) == 0] = np.nan
    return found


def shared_fifth(
    maps: Float[np.ndarray, "n cells"], others: Float[np.ndarray, "n cells"]
) -> Float[np.ndarray, " n"]:
    """Share of a map's strongest fifth of cells that lies in another map's strongest fifth.

    A cell of zero is never among the strongest. NaN where one of the two maps is zero everywhere.
    """
    mine, theirs = _strongest(maps), _strongest(others)
    n_mine, n_theirs = mine.sum(axis=1), theirs.sum(axis=1)
    share = (mine & theirs).sum(axis=1) / np.maximum(n_mine, 1)
    return np.where((n_mine == 0) | (n_theirs == 0), np.nan, share)


def _strongest(maps: Float[np.ndarray, "n cells"]) -> Bool[np.ndarray, "n cells"]:
    """The strongest fifth of the cells of each map; cells that tie are in the given order."""
    n_cells = maps.shape[1]
    rounded = _rounded(maps)
    place = np.argsort(np.argsort(-rounded, axis=1, kind="stable"), axis=1)
    return (place < math.ceil(FIFTH * n_cells)) & (rounded > 0)


def _rounded(maps: Float[np.ndarray, "n cells"]) -> Float[np.ndarray, "n cells"]:
    """Values in steps of the rounding, as shares of the largest one."""
    largest = np.maximum(maps.max(axis=1, keepdims=True), np.finfo(np.float64).tiny)
    return np.rint(maps / largest / _ROUNDING)
