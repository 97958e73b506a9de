"""A linear probe: one layer on frozen features, trained like the Exemplar Guided Network."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.metrics.loss import mse_and_pcc_loss
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.recipe import Recipe, exemplar_guided
from histoscribe.types import Labels, Output


@dataclass(frozen=True, kw_only=True)
class LinearProbeConfig:
    """Loss and optimiser of the probe."""

    pcc_weight: float = 1.0
    """Weight of the correlation loss relative to the mean squared error."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW."""
    weight_decay: float = 1e-4
    """Weight decay of AdamW."""

    @classmethod
    def small(cls) -> "LinearProbeConfig":
        """Learning rate of the small networks, for as few epochs."""
        return cls(learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "LinearProbeConfig":
        """Settings for tests."""
        return cls(learning_rate=3e-3)


@final
@register("linear-probe")
class LinearProbe(ExpressionModel):
    """What is in the features of a frozen encoder alone: the row "Pretrained E".

    Yang et al., WACV 2023, Table 4. Loss, optimiser and epochs are those of their network, so that
    the rows differ only by the network; `ridge` is the same layer in closed form.
    """

    paper = "arXiv:2210.16721"
    learns_representation = False
    Config = LinearProbeConfig
    config: LinearProbeConfig
    feature_mean: Tensor
    feature_scale: Tensor

    def __init__(self, facts: Facts, config: LinearProbeConfig) -> None:
        super().__init__(facts, config)
        self.register_buffer("feature_mean", torch.from_numpy(facts.feature_mean).float())
        self.register_buffer("feature_scale", torch.from_numpy(facts.feature_scale).float())
        # not at the mean: where all predictions are equal, the gradient of a correlation is 10,000
        # times its later size, and Adam would take small steps for a thousand steps
        self.head = GeneHead(len(facts.feature_mean), facts)

    def forward(self, feature: Float[Tensor, "B D"]) -> Output:
        """Predict the genes of each spot."""
        return self.read(self.represent(feature))

    def represent(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B R"]:
        """The standardised features."""
        return (feature - self.feature_mean) / self.feature_scale

    def loss(self, output: Output, labels: Labels) -> Float[Tensor, ""]:
        """Mean squared error, plus one minus the genes' mean correlation over the batch."""
        return mse_and_pcc_loss(output.expression, labels.target, self.config.pcc_weight)

    @classmethod
    def recipe(cls, config: LinearProbeConfig) -> Recipe:
        """AdamW, one cosine."""
        return exemplar_guided(config.learning_rate, config.weight_decay)
