"""The Exemplar Guided Network with a direct readout of its exemplars; ours, of no paper."""

import math
from dataclasses import dataclass, replace
from typing import Literal, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.models.base import Facts, register
from histoscribe.models.networks.egn import EGNConfig, PaperNetwork
from histoscribe.models.recipe import Recipe
from histoscribe.types import Output

# a parameter moves by the learning rate per step: gain and sharpness move this many times faster
_PACE = 10.0
_GAIN, _SHARPNESS = 0.1, 5.0  # at the start


@dataclass(frozen=True, kw_only=True)
class ReadoutConfig(EGNConfig):
    """Settings of `egn`; it always reads exemplars."""

    sees: Literal["exemplars"] = "exemplars"
    """Exemplars; `egn` can do without them."""


@final
@register("egn-readout")
class ReadoutEGN(PaperNetwork):
    """`egn` plus the expression of the exemplars, weighted by how much they look like the spot.

    y = egn + g sum_j softmax_j(-b d_j) (y_j - mean), with the distance d_j of an exemplar's
    feature. Gain g and sharpness b are learned: the network's own blocks average gates that are
    independent of each other, and cannot select one exemplar of many.
    """

    paper = "ours, after arXiv:2210.16721"
    Config = ReadoutConfig
    config: ReadoutConfig

    def __init__(self, facts: Facts, config: ReadoutConfig) -> None:
        super().__init__(facts, config)
        self.gain = nn.Parameter(torch.tensor(_GAIN / _PACE))
        self.log_sharpness = nn.Parameter(torch.tensor(math.log(_SHARPNESS) / _PACE))

    @classmethod
    def recipe(cls, config: EGNConfig) -> Recipe:
        """Training of `egn`: there is no publication of this network."""
        return replace(super().recipe(config), published=False)

    @property
    def readout_gain(self) -> Float[Tensor, ""]:
        """The gain g."""
        return _PACE * self.gain

    @property
    def sharpness(self) -> Float[Tensor, ""]:
        """The sharpness b."""
        return (_PACE * self.log_sharpness).exp()

    def exemplar_weights(
        self, feature: Float[Tensor, "B D"], exemplar_feature: Float[Tensor, "B E D"]
    ) -> Float[Tensor, "B E"]:
        """softmax_j(-b d_j): the weight of each exemplar of a spot; rows sum to one.

        d_j is half the mean squared difference of standardised features: 0 for a spot with the same
        feature, about 1 for a random one.
        """
        apart = self.standardised(feature)[:, None] - self.standardised(exemplar_feature)
        distance = apart.square().mean(dim=-1) / 2
        return (-self.sharpness * distance).softmax(dim=-1)

    def represent(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        feature: Float[Tensor, "B D"] | None = None,
        exemplar_feature: Float[Tensor, "B E D"] | None = None,
        exemplar_target: Float[Tensor, "B E G"] | None = None,
    ) -> Float[Tensor, "B R"]:
        """Representation of `egn`, then the weighted mean of the exemplars' expression.

        The latter, one column per gene, in training deviations from the training mean.
        """
        if feature is None or exemplar_feature is None or exemplar_target is None:
            raise ValueError("give feature, exemplar_feature and exemplar_target")
        of_network = super().represent(image, feature, exemplar_feature, exemplar_target)
        weight = self.exemplar_weights(feature, exemplar_feature)
        expression = (weight[..., None] * self.standardised_expression(exemplar_target)).sum(dim=1)
        return torch.cat([of_network, expression], dim=1)

    def read(self, representation: Float[Tensor, "*B R"]) -> Output:
        """Prediction of `egn` plus g times the weighted mean, in the unit of the target."""
        n_genes = len(self.target_mean)
        of_network, expression = representation[..., :-n_genes], representation[..., -n_genes:]
        return Output(self.head(of_network) + self.readout_gain * self.target_scale * expression)
