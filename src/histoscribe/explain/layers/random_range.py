"""The range in which one more network with random weights would lie."""

import numpy as np
from jaxtyping import Float
from scipy import stats

from histoscribe.explain.finding import Number

_LARGEST = 1 - 1e-12
"""CKA of equal layers, for which Fisher's z would be infinite."""


def next_random(
    name: str, draws: Float[np.ndarray, " n"], meaning: str, *, wider: float = 1.0
) -> Number:
    """Mean of a number over random networks, with the range of a further one at 95 %.

    Few networks are drawn, so the range is not that of the draws: it is the prediction interval of
    the t distribution, mean ± t s sqrt(1 + 1/n). `wider` corrects for draws that share data.
    """
    mean = float(draws.mean())
    if len(draws) < 2 or np.isnan(draws).any():
        return Number(name, mean, meaning)
    reach = _reach(draws, wider)
    return Number(name, mean, meaning, mean - reach, mean + reach)


def next_random_cka(
    name: str, draws: Float[np.ndarray, " n"], meaning: str, *, wider: float = 1.0
) -> Number:
    """The same of CKA, which ends at 1: the range is that of Fisher's z = artanh(CKA)."""
    mean = float(draws.mean())
    if len(draws) < 2 or np.isnan(draws).any():
        return Number(name, mean, meaning)
    z = np.arctanh(np.clip(draws, -_LARGEST, _LARGEST))
    reach = _reach(z, wider)
    low, high = np.tanh([z.mean() - reach, z.mean() + reach])
    return Number(name, mean, meaning, float(low), float(high))


def _reach(draws: Float[np.ndarray, " n"], wider: float) -> float:
    n = len(draws)
    return float(stats.t.ppf(0.975, n - 1) * draws.std(ddof=1) * np.sqrt(1 + 1 / n) * wider)
