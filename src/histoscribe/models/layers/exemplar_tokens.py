"""Exemplars as tokens of a transformer."""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import Facts


@final
class ExemplarTokens(nn.Module):
    """One token per exemplar: W e_j + b, or W [e_j, y_j] + b with its expression.

    b is the type embedding, which tells exemplars from patches. Exemplars have no position. Feature
    and expression are read minus their training mean, over their training deviation.
    """

    feature_mean: Tensor
    feature_scale: Tensor
    target_mean: Tensor
    target_scale: Tensor

    def __init__(self, facts: Facts, width: int, *, with_expression: bool = False) -> None:
        super().__init__()
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        n_inputs = len(facts.feature_mean)
        if with_expression:
            self.register_buffer("target_mean", torch.from_numpy(facts.target_mean).float())
            self.register_buffer("target_scale", torch.from_numpy(facts.target_unit).float())
            n_inputs += len(facts.target_mean)
        self.project = nn.Linear(n_inputs, width)

    def forward(
        self,
        exemplar_feature: Float[Tensor, "B E D"],
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Float[Tensor, "B E width"]:
        """Project standardised features, and standardised expression if it is given."""
        seen = (exemplar_feature - self.feature_mean) / self.feature_scale
        if exemplar_target is not None:
            expression = (exemplar_target - self.target_mean) / self.target_scale
            seen = torch.cat([seen, expression], dim=-1)
        return self.project(seen)
