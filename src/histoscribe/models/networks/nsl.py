"""NSL: expression from colour alone, through stain directions that are learned for each gene.

Dawood et al. 2021, arXiv:2108.10446; `docs/methods/nsl.md` lists the differences and their reasons.
"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.recipe import Recipe, compared
from histoscribe.types import Output


@dataclass(frozen=True, kw_only=True)
class NSLConfig:
    """Learning rate of the few numbers per gene."""

    learning_rate: float = 1e-2
    """Learning rate of AdamW; our choice, because the paper's small rates suit networks of many
    layers.
    """

    @classmethod
    def tiny(cls) -> "NSLConfig":
        """Settings for tests."""
        return cls(learning_rate=3e-2)


@final
@register("nsl")
class NSL(ExpressionModel):
    """Optical density, one learned stain direction a gene, mean over the tile, affine."""

    paper = "arXiv:2108.10446"
    Config = NSLConfig
    density_mean: Tensor
    density_scale: Tensor

    def __init__(self, facts: Facts, config: NSLConfig) -> None:
        super().__init__(facts, config)
        mean = torch.tensor(facts.image_mean, dtype=torch.float32)
        scale = torch.tensor(facts.image_scale, dtype=torch.float32)
        self.register_buffer("density_mean", _optical_density(mean))
        # change of density per standard deviation of colour
        self.register_buffer("density_scale", torch.where(scale > 0, scale / (mean + 1), 1.0))
        n_genes = len(facts.target_mean)
        self.stain = nn.Parameter(0.02 * torch.randn(n_genes, 3))
        self.slope = nn.Parameter(torch.ones(n_genes))
        self.offset = nn.Parameter(torch.from_numpy(facts.output_start).float())

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict each gene from the amount of its stain in the tile."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Mean density of each gene's stain over the tile."""
        # a 1x1 convolution and the mean over pixels are both linear, so their order does not
        # matter: the mean first leaves 3 numbers to weight instead of a map per gene
        density = _optical_density(image.to(self.density_mean.dtype)).mean(dim=(2, 3))
        standard = (density - self.density_mean) / self.density_scale
        # not a matrix product, which autocast would round to bfloat16
        return (standard[:, None] * self.stain).sum(dim=-1)

    def read(self, representation: Float[Tensor, "B G"]) -> Output:
        """Read each gene off a straight line over the density of its stain."""
        return Output(self.slope * representation + self.offset)

    @classmethod
    def recipe(cls, config: NSLConfig) -> Recipe:
        """The EGN paper's training with another learning rate."""
        return compared(config.learning_rate)


def _optical_density(image: Tensor) -> Tensor:
    """Optical density of light 0-255: 5.5 for black (finite by the 1), 0 for white."""
    return -torch.log((image + 1) / 256)
