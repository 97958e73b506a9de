"""Distribution of counts of each spot, from its scores of pathways."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.count_start import CountStart
from histoscribe.models.layers.count_head import LEAST_RATE, count_rate
from histoscribe.models.softplus import inverse_softplus
from histoscribe.types import CountDistribution


@final
class PathwayCounts(nn.Module):
    """Inverse dispersion and additional zeros of each spot and gene, linear in the scores.

    Both start nearly equal at all spots. It computes in float32 under autocast, too.
    """

    def __init__(self, n_pathways: int, start: CountStart) -> None:
        super().__init__()
        self.dispersion = _linear(n_pathways, inverse_softplus(start.inverse_dispersion))
        zeros = start.zero_inflation
        logit = None if zeros is None else np.log(zeros) - np.log1p(-zeros)
        self.zeros = None if logit is None else _linear(n_pathways, logit)

    def forward(
        self, value: Float[Tensor, "n G"], scores: Float[Tensor, "n P"]
    ) -> CountDistribution:
        """Distribution of the counts; the rate is the softplus of the last layer's `value`."""
        with torch.autocast(value.device.type, enabled=False):
            return CountDistribution(
                count_rate(value),
                functional.softplus(self.dispersion(scores)) + LEAST_RATE,
                None if self.zeros is None else self.zeros(scores).sigmoid(),
            )


def _linear(n_pathways: int, bias: Float[np.ndarray, " G"]) -> nn.Linear:
    made = nn.Linear(n_pathways, len(bias))
    nn.init.normal_(made.weight, std=0.01)
    with torch.no_grad():
        made.bias.copy_(torch.from_numpy(bias))
    return made
