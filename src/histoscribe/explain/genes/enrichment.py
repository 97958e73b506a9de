"""Whether the genes of a set are predicted better than random genes of the same expression.

The random sets are drawn from the scored genes of the panel, never from the genome. Each has as
many genes of each level of expression as the set.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import false_discovery_control, rankdata

from histoscribe.explain.expression_bins import expression_bins
from histoscribe.seed import stream

N_DRAWS = 9_999
"""Random sets for each set: the smallest possible p is 1 / 10,000."""
ENRICHED_Q = 0.05
"""A set with a smaller `q` counts as predicted better than random sets."""
_ROUNDING = 1e-9  # of sums of scores: what is nearer is a tie


@dataclass(frozen=True, eq=False)
class Enrichment:
    """Mean scores of S gene sets, beside those of random sets."""

    mean: Float[np.ndarray, " S"]
    """Mean score of the members."""
    drawn: Float[np.ndarray, "draws S"]
    """Mean score of random sets of the same size and expression."""
    p: Float[np.ndarray, " S"]
    """Share of random sets with at least this mean, the set itself counted among them."""
    q: Float[np.ndarray, " S"]
    """`p` adjusted for the number of sets (Benjamini-Hochberg)."""

    def n_enriched(self) -> int:
        """Number of sets with q < 0.05."""
        return int((self.q < ENRICHED_Q).sum())

    def n_enriched_by_chance(self) -> Float[np.ndarray, " draws"]:
        """The same number for each random exchange of genes; sets overlap there as they do."""
        p = rankdata(-self.drawn, method="max", axis=0) / len(self.drawn)
        return (false_discovery_control(p, axis=1) < ENRICHED_Q).sum(axis=1).astype(np.float64)


def enrichment(
    score: Float[np.ndarray, " G"],
    expression: Float[np.ndarray, " G"],
    members: Bool[np.ndarray, "S G"],
    seed: int,
) -> Enrichment:
    """Compare the mean score of each set with random sets from these G genes.

    One-sided: a set that is predicted worse than random ones has p near 1. Scores and expression
    are finite.
    """
    size = members.sum(axis=1)
    mean = members @ score / size
    drawn = _drawn_sums(score, expression_bins(expression), members, seed) / size
    as_high = (drawn >= mean - _ROUNDING).sum(axis=0)
    p = (1 + as_high) / (1 + N_DRAWS)
    return Enrichment(mean, drawn, p, false_discovery_control(p))


def _drawn_sums(
    score: Float[np.ndarray, " G"],
    bins: list[Int[np.ndarray, " n"]],
    members: Bool[np.ndarray, "S G"],
    seed: int,
) -> Float[np.ndarray, "draws S"]:
    """Sum over the members of each set after scores are exchanged within bins.

    One exchange serves all sets, so another list of sets changes no draw.
    """
    rng = stream(seed, "explain-genes-sets")
    sums = np.zeros((N_DRAWS, len(members)))
    for genes in bins:
        exchanged = rng.permuted(np.tile(score[genes], (N_DRAWS, 1)), axis=1)
        sums += exchanged @ members[:, genes].T.astype(np.float64)
    return sums
