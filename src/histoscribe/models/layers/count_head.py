"""Distribution of counts around the output of any network."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.types import CountDistribution, CountFamily

LEAST_RATE = 1e-6
"""Added to every rate: a count at a rate of zero would have no likelihood."""
_INFLATION_LOGIT = -3.0  # additional zeros start at 5 %


@final
class CountHead(nn.Module):
    """Rate as the softplus of a network's output; dispersion and zeros learned for each gene.

    Inverse dispersion starts at 1. It computes in float32 under autocast, too.
    """

    zero_inflation_logit: Tensor | None

    def __init__(self, n_genes: int, family: CountFamily) -> None:
        super().__init__()
        self.log_inverse_dispersion = nn.Parameter(torch.zeros(n_genes))
        zeros = nn.Parameter(torch.full((n_genes,), _INFLATION_LOGIT)) if family == "zinb" else None
        self.register_parameter("zero_inflation_logit", zeros)

    def forward(self, output: Float[Tensor, "*B G"]) -> CountDistribution:
        """Distribution of the counts, from the output of the network's last layer."""
        weights = self.log_inverse_dispersion
        with torch.autocast(output.device.type, enabled=False):
            rate = functional.softplus(output.to(weights.dtype)) + LEAST_RATE
            logit = self.zero_inflation_logit
            return CountDistribution(
                rate,
                weights.exp().expand_as(rate),
                None if logit is None else logit.sigmoid().expand_as(rate),
            )
