"""Attention between pathways against the likeness of their measured activity.

A Mantel test: pairs of pathways are compared, and by chance the names of the pathways are
exchanged (Mantel 1967, Cancer Research 27:209).
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from histoscribe.explain.pathways.correlation import unit_maps
from histoscribe.seed import stream

FEWEST_PATHWAYS = 4
"""Fewer pathways have too few pairs, and too few exchanges of their names."""
N_EXCHANGES = 999
"""Exchanges of the names of pathways."""
_SEED = 0  # of the exchanges; nobody needs another one


@final
@dataclass(frozen=True, eq=False)
class PairAgreement:
    """Rank correlation over pairs of pathways in one section; first of the mean of all layers."""

    coactivity: Float[np.ndarray, "P P"]
    attention: Float[np.ndarray, "M P P"]
    value: Float[np.ndarray, " M"]
    """Of attention with co-activity, for the mean of the layers and for each layer."""
    exchanged: Float[np.ndarray, "exchanges M"]
    """After the names of the pathways are exchanged; the same exchanges in each section."""
    random_sets: Float[np.ndarray, "sets M"]
    """With the co-activity of random sets."""
    random_networks: Float[np.ndarray, "networks M"]
    """Of networks with random weights."""


def coactivity_of(
    z_scores: Float[np.ndarray, "N G"],
    members: Bool[np.ndarray, "P G"],
    depth: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "P P"]:
    """Correlation of the activity of each two sets, given depth.

    Genes that two sets share are left out for this pair: they would correlate with themselves. NaN
    for a pair without genes of its own on both sides, and on the diagonal.
    """
    total = z_scores @ members.T.astype(np.float64)
    unit = unit_maps(total, depth)
    likeness = unit.T @ unit
    shared = members.astype(np.int64) @ members.T.astype(np.int64)
    size = members.sum(axis=1)
    for row, column in zip(*np.nonzero(np.triu(shared, 1)), strict=True):
        value = np.nan
        if shared[row, column] < min(size[row], size[column]):
            both = z_scores[:, members[row] & members[column]].sum(axis=1)
            first, second = unit_maps(total[:, [row, column]] - both[:, None], depth).T
            value = float(first @ second)
        likeness[row, column] = likeness[column, row] = value
    np.fill_diagonal(likeness, np.nan)
    return likeness


def with_mean(layers: Float[np.ndarray, "L P P"]) -> Float[np.ndarray, "M P P"]:
    """Symmetric attention: layers averaged, then every layer."""
    every = np.concatenate([layers.mean(axis=0, keepdims=True), layers])
    return (every + every.transpose(0, 2, 1)) / 2


def pair_correlations(
    attention: Float[np.ndarray, "M P P"], likeness: Float[np.ndarray, "P P"]
) -> Float[np.ndarray, " M"]:
    """Spearman over the pairs of pathways; NaN where attention or likeness is constant.

    A pair of unknown likeness has the mean rank.
    """
    ranks = _likeness_ranks(likeness)
    if ranks is None:
        return np.full(len(attention), np.nan)
    upper = np.triu_indices(len(likeness), 1)
    return np.array([_product(of, ranks[upper]) for of in _attention_ranks(attention)])


def by_exchange(
    attention: Float[np.ndarray, "M P P"], likeness: Float[np.ndarray, "P P"]
) -> Float[np.ndarray, "exchanges M"]:
    """The same after the names of the pathways are exchanged."""
    ranks = _likeness_ranks(likeness)
    if ranks is None:
        return np.full((N_EXCHANGES, len(attention)), np.nan)
    first, second = np.triu_indices(len(likeness), 1)
    rng = stream(_SEED, "explain-pathways-names")
    orders = np.stack([rng.permutation(len(likeness)) for _ in range(N_EXCHANGES)])
    exchanged = ranks[orders[:, first], orders[:, second]]
    of_attention = _attention_ranks(attention)
    known = of_attention.any(axis=1)
    return np.where(known, exchanged @ of_attention.T, np.nan)


def _likeness_ranks(likeness: Float[np.ndarray, "P P"]) -> Float[np.ndarray, "P P"] | None:
    """Ranks of the pairs, of mean 0 and length 1 over the upper triangle; None for too few."""
    upper = np.triu_indices(len(likeness), 1)
    pairs = likeness[upper]
    known = np.isfinite(pairs)
    if len(likeness) < FEWEST_PATHWAYS or known.sum() < FEWEST_PATHWAYS:
        return None
    ranks = np.zeros_like(likeness)
    ranks[upper[0][known], upper[1][known]] = _ranks(pairs[known])
    return ranks + ranks.T


def _attention_ranks(attention: Float[np.ndarray, "M P P"]) -> Float[np.ndarray, "M pairs"]:
    first, second = np.triu_indices(attention.shape[1], 1)
    return np.stack([_ranks(of) for of in attention[:, first, second]])


def _ranks(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """Ranks of mean 0 and length 1; all zero for equal values."""
    centred = rankdata(values) - (len(values) + 1) / 2
    norm = np.linalg.norm(centred)
    return centred / norm if norm > 0 else centred


def _product(first: Float[np.ndarray, " n"], second: Float[np.ndarray, " n"]) -> float:
    return float(first @ second) if first.any() and second.any() else float("nan")
