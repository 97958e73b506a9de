"""From scores of pathways to genes."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.facts import Facts
from histoscribe.models.softplus import inverse_softplus
from histoscribe.types import Pathways

PathwayInit = Literal["free", "init", "masked"]
Membership = Literal["binary", "row-normalised"]


@final
class PathwayHead(nn.Module):
    """One linear layer from P pathways to genes, y = W z + b; starts at the training mean at z = 0.

    `free` starts W at random. `init` starts it from the membership of genes in the pathways, and
    learns every weight. `masked` keeps weights between a pathway and other genes at zero and the
    rest positive. Where no target is below zero, a softplus stands behind it, except for counts,
    whose distribution has it.

    It computes in float32 under autocast, too, as `GeneHead`.
    """

    mask: Tensor
    softplus: Tensor

    def __init__(
        self, n_pathways: int, facts: Facts, init: PathwayInit, membership: Membership
    ) -> None:
        super().__init__()
        self.init: PathwayInit = init
        n_genes = len(facts.target_mean)
        self.weight = nn.Parameter(torch.empty(n_genes, n_pathways))
        if init == "free":
            nn.init.trunc_normal_(self.weight, std=0.02)
        else:
            self._start(facts.pathways, membership)
        softplus = facts.non_negative and facts.counts is None
        start = inverse_softplus(facts.target_mean) if softplus else facts.output_start
        self.bias = nn.Parameter(torch.from_numpy(start).float())
        self.register_buffer("softplus", torch.tensor(softplus))

    def _start(self, pathways: Pathways | None, membership: Membership) -> None:
        if pathways is None:
            raise ValueError("there are no pathways to start from")
        members = torch.from_numpy(pathways.members.T).float()
        start = members / members.sum(dim=0) if membership == "row-normalised" else members
        if self.init == "masked":
            self.register_buffer("mask", members)
            start = start.masked_fill(members == 0, 1.0).log()
        self.weight.data.copy_(start)

    def weights(self) -> Float[Tensor, "G P"]:
        """Weight of each pathway for each gene."""
        return self.weight.exp() * self.mask if self.init == "masked" else self.weight

    def forward(self, scores: Float[Tensor, "*B P"]) -> Float[Tensor, "*B G"]:
        """Predict the genes."""
        with torch.autocast(scores.device.type, enabled=False):
            scores = scores.to(self.weight.dtype)
            value = functional.linear(scores, self.weights(), self.bias)
            return functional.softplus(value) if self.softplus else value
