"""Rank correlation of levels with what is measured on tiles."""

import warnings

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

_FEWEST = 3  # over two values every rank correlation is -1 or 1
_ROUNDING = 1e-12


def trends(
    level: Int[np.ndarray, "draws n"],
    values: Float[np.ndarray, "n M"],
    group: Int[np.ndarray, " n"],
) -> Float[np.ndarray, "groups draws M"]:
    """Rank correlation of the levels with each column of values, within each group.

    Groups are numbered from 0. NaN in a group where the levels or the values are all equal, or
    fewer than three values are defined; undefined values are left out.
    """
    n_groups = int(group.max()) + 1
    result = np.full((n_groups, len(level), values.shape[1]), np.nan)
    for one in range(n_groups):
        members = np.flatnonzero(group == one)
        if len(members) >= _FEWEST:
            result[one] = _rank_correlations(level[:, members], values[members])
    return result


def mean_over_groups(values: Float[np.ndarray, "groups *rest"]) -> Float[np.ndarray, "*rest"]:
    """Mean over groups with a defined value; NaN without any."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return np.nanmean(values, axis=0)


def _rank_correlations(
    level: Int[np.ndarray, "draws k"], values: Float[np.ndarray, "k M"]
) -> Float[np.ndarray, "draws M"]:
    known = ~np.isnan(values)
    rank = np.zeros(values.shape)
    for column, defined in zip(range(values.shape[1]), known.T, strict=True):
        rank[defined, column] = rankdata(values[defined, column])
    first = rankdata(level, axis=1)
    n = known.sum(axis=0)
    weight = known.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean_first, mean_rank = first @ weight / n, rank.sum(axis=0) / n
        both = first @ rank / n - mean_first * mean_rank
        spread_first = first**2 @ weight / n - mean_first**2
        spread_rank = (rank**2).sum(axis=0) / n - mean_rank**2
        correlation = both / np.sqrt(spread_first * spread_rank)
    size = len(values) ** 2
    undefined = (n < _FEWEST) | (spread_rank <= _ROUNDING * size)
    undefined = undefined | (spread_first <= _ROUNDING * size)
    return np.where(undefined, np.nan, correlation)
