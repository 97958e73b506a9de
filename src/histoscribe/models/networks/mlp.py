"""A small network on features: the gain of non-linear fitting over ridge."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.types import Output


@dataclass(frozen=True, kw_only=True)
class MLPConfig:
    """Size of the network."""

    hidden: int = 256
    """Width of the one hidden layer."""
    dropout: float = 0.2
    """Share of hidden units set to zero in training."""

    @classmethod
    def tiny(cls) -> "MLPConfig":
        """Settings for tests."""
        return cls(hidden=16, dropout=0.1)


@final
@register("mlp")
class MLP(ExpressionModel):
    """Standardised features, one hidden layer, genes; starts at the training mean."""

    paper = "baseline"
    Config = MLPConfig
    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, facts: Facts, config: MLPConfig) -> None:
        super().__init__(facts, config)
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        self.hidden = nn.Sequential(
            nn.Linear(len(facts.feature_mean), config.hidden),
            nn.GELU(),
            nn.Dropout(config.dropout),
        )
        self.head = nn.Linear(config.hidden, len(facts.target_mean))
        with torch.no_grad():
            self.head.bias.copy_(torch.from_numpy(facts.output_start))

    def forward(self, feature: Float[Tensor, "B D"]) -> Output:
        """Predict the genes of each spot."""
        return self.read(self.represent(feature))

    def represent(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B R"]:
        """The hidden layer."""
        return self.hidden((feature - self.feature_mean) / self.feature_scale)
