"""Distribution of counts around the output of any network."""

from dataclasses import replace
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.count_start import CountStart
from histoscribe.types import CountDistribution, Output

LEAST_RATE = 1e-6
"""Added to every rate: a count at a rate of zero would have no likelihood."""


def count_rate(output: Float[Tensor, "*B G"]) -> Float[Tensor, "*B G"]:
    """Rate per 10,000 counts from the output of a last layer; in float32 under autocast, too."""
    with torch.autocast(output.device.type, enabled=False):
        wide = output.to(torch.promote_types(output.dtype, torch.float32))
        return functional.softplus(wide) + LEAST_RATE


@final
class CountHead(nn.Module):
    """Rate as the softplus of a network's output; dispersion and zeros learned for each gene.

    It computes in float32 under autocast, too.
    """

    zero_inflation_logit: Tensor | None

    def __init__(self, start: CountStart) -> None:
        super().__init__()
        self.log_inverse_dispersion = _parameter(np.log(start.inverse_dispersion))
        zeros = start.zero_inflation
        logit = None if zeros is None else _parameter(np.log(zeros) - np.log1p(-zeros))
        self.register_parameter("zero_inflation_logit", logit)

    def forward(self, output: Float[Tensor, "*B G"]) -> CountDistribution:
        """Distribution of the counts, from the output of the network's last layer."""
        return self.around(count_rate(output))

    def around(self, rate: Float[Tensor, "*B G"]) -> CountDistribution:
        """Distribution of the counts with this rate."""
        logit = self.zero_inflation_logit
        with torch.autocast(rate.device.type, enabled=False):
            return CountDistribution(
                rate,
                self.log_inverse_dispersion.exp().expand_as(rate),
                None if logit is None else logit.sigmoid().expand_as(rate),
            )


def with_counts(head: CountHead | None, output: Output) -> Output:
    """Add the distribution of counts to an output that has none; without a head, change nothing.

    `expression` then becomes the mean per 10,000 counts.
    """
    if head is None or output.counts is not None:
        return output
    counts = head(output.expression)
    return replace(output, expression=counts.mean, counts=counts)


def _parameter(values: Float[np.ndarray, " G"]) -> nn.Parameter:
    return nn.Parameter(torch.from_numpy(values).float())
