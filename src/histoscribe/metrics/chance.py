"""Scores against chance: q of each gene from shuffled runs, and the genes above their own band.

The null of a gene is its score in runs of ridge on shuffled training data. Such scores have the
same shape for all genes, and another mean and spread for each. So each is standardised by the other
runs of its gene, and those of all genes together are the null of every gene: with 100 runs of 300
genes, p can be as small as 1 in 30,000, where the runs of one gene give no p below 1 in 101.

A score is measured in units of the spread of its runs, but never of less than the spread of noise.
The runs are of ridge: where a gene happens to lie far from the maps that ridge can draw, they are
all near zero, and the chance of another model is not. And two patients that train each other's fold
get their scores from the same products of their values, so these vary together, which shuffled
folds do not: the variance of their mean is up to twice that of independent ones.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import false_discovery_control

SHUFFLED_RUNS = 100
"""Number of shuffled runs of a benchmark."""
CHANCE_Q = 0.05
"""A gene above its band with a smaller q is above chance: about one in twenty of these is not."""
BAND_SHARE = 0.083
"""Largest share of genes without a link to expect above their band.

Of shuffled runs, 2.5 % are. Scores over folds that train each other spread up to 1.41 times as far.
"""


_FEWEST_SPOTS = 3  # with fewer, a partial correlation is 1 or -1


@dataclass(frozen=True)
class ChanceCount:
    """Number of scored genes of a model, of those above their band, and of those with q < 0.05."""

    n_genes: int
    n_above_band: int
    """Genes above their own band: above the 97.5 percentile of their shuffled runs."""
    n_above_chance: int
    """Those with q < 0.05 besides: above chance after correction over the genes."""

    @classmethod
    def of(
        cls,
        score: Float[np.ndarray, " G"],
        null_high: Float[np.ndarray, " G"],
        q: Float[np.ndarray, " G"],
    ) -> "ChanceCount":
        """Count the genes by their score, the upper end of their band and their q."""
        return cls(
            n_genes=int((np.isfinite(score) & np.isfinite(null_high)).sum()),
            n_above_band=int(above_band(score, null_high).sum()),
            n_above_chance=int(above_chance(score, null_high, q).sum()),
        )

    @property
    def n_by_chance(self) -> float:
        """Largest number to expect above their band if no gene had a link to the image."""
        return BAND_SHARE * self.n_genes

    def words(self, n_runs: int = SHUFFLED_RUNS) -> str:
        """All three numbers, and the least q that so many shuffled runs can give."""
        return (
            f"{self.n_above_band} of {self.n_genes} genes lie above their own band (by chance up "
            f"to {self.n_by_chance:.0f}); {self.n_above_chance} of them have q < {CHANCE_Q:g} "
            f"({n_runs} shuffled runs give a gene that is found alone no q below "
            f"{least_q(n_runs):.2g})"
        )


def above_band(
    score: Float[np.ndarray, " G"], null_high: Float[np.ndarray, " G"]
) -> Bool[np.ndarray, " G"]:
    """Whether each gene scores above its own band; False if either is unknown."""
    return score > null_high


def above_chance(
    score: Float[np.ndarray, " G"],
    null_high: Float[np.ndarray, " G"],
    q: Float[np.ndarray, " G"],
) -> Bool[np.ndarray, " G"]:
    """Whether each gene is above its band with q < 0.05; False if unknown."""
    return above_band(score, null_high) & (q < CHANCE_Q)


def least_q(n_runs: int = SHUFFLED_RUNS) -> float:
    """Bound of q for a gene that is found alone, whatever the number of genes.

    If k genes are found together, q can be k times smaller.
    """
    return 1.0 / (1 + n_runs)


def spread_of_noise(n_spots: Float[np.ndarray, "*parts"]) -> Float[np.ndarray, "*parts"]:
    """Standard deviation of a partial correlation over so many spots, of values without pattern.

    For one variable that is accounted for, as in `pcc_given_depth`. Infinite below four spots.
    """
    return np.where(n_spots > _FEWEST_SPOTS, 1 / np.sqrt(np.maximum(n_spots - 2.0, 1.0)), np.inf)


def q_values(
    score: Float[np.ndarray, " G"],
    null: Float[np.ndarray, "G runs"],
    least_spread: Float[np.ndarray, " G"],
) -> Float[np.ndarray, " G"]:
    """Expected share of false discoveries among the genes at least this far above chance.

    The p of `p_values`, adjusted for the number of genes (Benjamini and Hochberg, J R Stat Soc B
    57:289, 1995), which allows for genes that vary together. NaN where p is.
    """
    p = p_values(score, null, least_spread)
    q = np.full(len(p), np.nan)
    defined = np.isfinite(p)
    if defined.any():
        q[defined] = false_discovery_control(p[defined])
    return q


def p_values(
    score: Float[np.ndarray, " G"],
    null: Float[np.ndarray, "G runs"],
    least_spread: Float[np.ndarray, " G"],
) -> Float[np.ndarray, " G"]:
    """Share of standardised shuffled scores, of all genes, that are at least as high (one-sided).

    `null` has the score of each gene in each shuffled run; `least_spread` is the deviation of the
    score of noise (see `spread_of_noise`). The score itself counts among the shuffled ones, so p is
    never 0. NaN for a gene without a score, and for one whose shuffled runs do not differ.
    """
    usable = _usable(null)
    p = np.full(len(score), np.nan)
    if not usable.any():
        return p
    pooled = np.sort(_shuffled_scores(null[usable]).ravel())
    tested = usable & np.isfinite(score)
    standard = _standard_scores(score[tested], null[tested], least_spread[tested])
    as_high = len(pooled) - np.searchsorted(pooled, standard, side="left")
    p[tested] = (1 + as_high) / (1 + len(pooled))
    return p


def _usable(null: Float[np.ndarray, "G runs"]) -> Bool[np.ndarray, " G"]:
    """Genes whose runs are defined and differ."""
    defined = np.isfinite(null).all(axis=1)
    return defined & (np.ptp(np.where(defined[:, None], null, 0.0), axis=1) > 0)


def _standard_scores(
    score: Float[np.ndarray, " G"],
    null: Float[np.ndarray, "G runs"],
    least_spread: Float[np.ndarray, " G"],
) -> Float[np.ndarray, " G"]:
    """Distance of each score from the mean of its runs, in standard deviations of a new run."""
    n_runs = null.shape[1]
    deviation = np.maximum(null.std(axis=1, ddof=1), least_spread)
    return (score - null.mean(axis=1)) / (deviation * np.sqrt(1 + 1 / n_runs))


def _shuffled_scores(null: Float[np.ndarray, "G runs"]) -> Float[np.ndarray, "G runs"]:
    """Distance of each run from the others of its gene, in their standard deviations.

    A run that were part of its own mean and deviation would look closer to them than a new one.
    """
    n_others = null.shape[1] - 1
    distance = null - null.mean(axis=1, keepdims=True)
    # with one run left out, the mean moves by distance / n_others
    squares = np.square(distance)
    left = squares.sum(axis=1, keepdims=True) - squares * (1 + 1 / n_others)
    deviation = np.sqrt(np.maximum(left, 0.0) / (n_others - 1))
    with np.errstate(divide="ignore"):  # infinite where the other runs do not differ
        return distance * np.sqrt(1 + 1 / n_others) / deviation
