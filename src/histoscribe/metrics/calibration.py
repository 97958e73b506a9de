"""Whether predicted distributions of counts are right: the randomised PIT."""

import numpy as np
from jaxtyping import Float

from histoscribe.metrics.negative_binomial import NegativeBinomial


def randomised_pit(
    predicted: NegativeBinomial, counts: Float[np.ndarray, "*S"], rng: np.random.Generator
) -> Float[np.ndarray, "*S"]:
    """Probability integral transform of counts, drawn evenly within the step of each count.

    u = F(y - 1) + v (F(y) - F(y - 1)) with v even on 0..1. With the right distribution u is even on
    0..1; without the random part it would not be, because counts are whole numbers (Dunn and Smyth
    1996, doi 10.1080/10618600.1996.10474708; Czado et al. 2009, doi
    10.1111/j.1541-0420.2009.01191.x).
    """
    below = predicted.cdf(counts - 1)
    return below + rng.random(counts.shape) * (predicted.cdf(counts) - below)


def ks_distance(pit: Float[np.ndarray, " n"]) -> float:
    """Kolmogorov-Smirnov distance of these values from the even distribution on 0..1.

    NaN values (genes that were not measured) are left out; NaN without a value.
    """
    known = np.sort(pit[np.isfinite(pit)])
    if not len(known):
        return float("nan")
    step = np.arange(len(known) + 1) / len(known)
    return float(max((step[1:] - known).max(), (known - step[:-1]).max()))


def ks_by_chance(n: int) -> float:
    """Distance that 5 % of samples of `n` values exceed if the distribution is right."""
    return 1.36 / float(np.sqrt(n))
