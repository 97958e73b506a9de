"""From latent rates to counts: depth, negative-binomial noise, drop-out."""

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.simulate.families import AVERAGE_DENSITY

MEDIAN_DEPTH = 10_000.0
"""Molecules caught in a spot."""
_THETA = 8.0
"""Inverse dispersion: variance = mean + mean**2 / theta."""


def draw_depth(
    density: Float[np.ndarray, " N"], follows: str, rng: np.random.Generator
) -> Float[np.ndarray, " N"]:
    """Expected total count of each spot: log-normal, or proportional to the nuclei around it."""
    noise = rng.standard_normal(len(density))
    if follows == "density":
        return MEDIAN_DEPTH * density / AVERAGE_DENSITY * np.exp(0.15 * noise)
    return MEDIAN_DEPTH * np.exp(0.4 * noise)


def draw_counts(
    depth: Float[np.ndarray, " N"], rates: Float[np.ndarray, "N A"], rng: np.random.Generator
) -> sp.csr_matrix:
    """Draw [N, A] counts: negative binomial at depth x rate (a Poisson whose mean is gamma).

    A count is then lost entirely with a probability that falls with its mean, like a transcript
    that was never captured.
    """
    mean = depth[:, None] * rates
    counts = rng.poisson(mean * rng.gamma(_THETA, 1.0 / _THETA, mean.shape))
    lost = rng.random(mean.shape) < 0.3 * np.exp(-mean / 3.0)
    return sp.csr_matrix(np.where(lost, 0, counts).astype(np.int32))
