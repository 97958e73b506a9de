"""Last layer of a network: from its representation to genes, starting at the training mean."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import Facts


@final
class GeneHead(nn.Module):
    """One linear layer whose bias starts at the training mean of each gene.

    It computes in float32 under autocast, too: bfloat16 has 8 bits, so a gene around 4 would be
    predicted in steps of 1/64, and different spots would tie.
    """

    def __init__(self, width: int, facts: Facts, *, at_mean: bool = False) -> None:
        """`at_mean` starts every weight at zero, so that the first prediction is the mean."""
        super().__init__()
        self.linear = nn.Linear(width, len(facts.target_mean))
        if at_mean:
            nn.init.zeros_(self.linear.weight)
        else:
            nn.init.trunc_normal_(self.linear.weight, std=0.02)
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(facts.output_start))

    def forward(self, representation: Float[Tensor, "*B R"]) -> Float[Tensor, "*B G"]:
        """Predict the genes in float32, or in float64 from a float64 network."""
        with torch.autocast(representation.device.type, enabled=False):
            return self.linear(representation.to(self.linear.weight.dtype))
