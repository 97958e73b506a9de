"""Negative log-likelihood of counts as a loss: negative binomial, with additional zeros or not."""

import torch
from jaxtyping import Bool, Float, Float64
from torch import Tensor

from histoscribe.types import CountDistribution

_LEAST_FACTOR = 1e-4  # of a spot with one count; an empty spot is read as such a one
_LEAST = 1e-12


def count_loss(
    predicted: CountDistribution,
    counts: Float[Tensor, "*B G"],
    size_factor: Float[Tensor, "*B"],
    present: Bool[Tensor, "B K"] | None = None,
) -> Float[Tensor, ""]:
    """Mean negative log-likelihood of raw counts over spots and genes.

    The mean of the negative binomial is the rate per 10,000 counts times the size factor (total
    per 10,000 counts). Entries that are not `present` (padding) and counts that are NaN (genes
    that a section did not measure) are ignored. Computed in float64, also under autocast, because
    logarithms of gamma functions cancel.
    """
    zeros = predicted.zero_inflation
    if present is not None and counts.ndim == 3:
        predicted = CountDistribution(
            predicted.rate[present],
            predicted.inverse_dispersion[present],
            None if zeros is None else zeros[present],
        )
        counts, size_factor, zeros = counts[present], size_factor[present], predicted.zero_inflation
    mean = predicted.rate.double() * size_factor.double().clamp(min=_LEAST_FACTOR)[..., None]
    measured = torch.isfinite(counts)
    x = torch.where(measured, counts, 0.0).double()
    lost = -log_likelihood(x, mean, predicted.inverse_dispersion.double(), zeros)
    mean_lost = torch.where(measured, lost, 0.0).sum() / measured.sum().clamp(min=1)
    return mean_lost.to(torch.float32)


def log_likelihood(
    counts: Float64[Tensor, "*B G"],
    mean: Float64[Tensor, "*B G"],
    inverse_dispersion: Float64[Tensor, "*B G"],
    zero_inflation: Float[Tensor, "*B G"] | None = None,
) -> Float64[Tensor, "*B G"]:
    """Log-probability of each count.

    Negative binomial with mean m and variance m + m^2 / theta. With zero inflation p, a count is 0
    with probability p, and else from the negative binomial (Lambert 1992, doi 10.2307/1269547).
    """
    x, m, theta = counts, mean, inverse_dispersion
    of_nb = (
        torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
        - theta * torch.log1p(m / theta)
        + x * (torch.log(m) - torch.log(m + theta))
    )
    if zero_inflation is None:
        return of_nb
    p = zero_inflation.double()
    of_count = torch.log((1 - p).clamp(min=_LEAST)) + of_nb
    return torch.where(x > 0, of_count, torch.logaddexp(torch.log(p.clamp(min=_LEAST)), of_count))
