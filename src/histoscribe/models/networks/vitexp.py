"""ViTExp: a ViT with exemplars as additional tokens.

The adaptation in the comparison of the EGN paper, arXiv:2210.16721; equations and the paper's open
choices are in `docs/methods/vitexp.md`.
"""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.exemplar_tokens import ExemplarTokens
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import patch_problem
from histoscribe.models.layers.patch_transformer import PatchTransformer, TransformerConfig
from histoscribe.models.recipe import Recipe, exemplar_guided
from histoscribe.types import Output


@final
@register("vitexp")
class ViTExp(ExpressionModel):
    """Predicts a spot from patch tokens that attend to each other and to exemplar tokens."""

    paper = "arXiv:2210.16721"
    Config = TransformerConfig

    def __init__(self, facts: Facts, config: TransformerConfig) -> None:
        super().__init__(facts, config)
        self.patches = PatchTransformer(facts, config)
        self.exemplars = ExemplarTokens(facts, config.width)
        self.head = GeneHead(config.width, facts)

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        exemplar_feature: Float[Tensor, "B E D"],
    ) -> Output:
        """Predict the genes from the mean patch token."""
        return self.read(self.represent(image, exemplar_feature))

    def represent(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        exemplar_feature: Float[Tensor, "B E D"],
    ) -> Float[Tensor, "B R"]:
        """Mean patch token; exemplar tokens are attended to but not averaged."""
        patches = self.patches.embed(image)
        tokens = torch.cat([patches, self.exemplars(exemplar_feature)], dim=1)
        for layer in self.patches.layers:
            tokens = layer(tokens)
        return self.patches.pool(tokens[:, : patches.shape[1]])

    @classmethod
    def recipe(cls, config: TransformerConfig) -> Recipe:
        """Training of the EGN paper."""
        return exemplar_guided(config.learning_rate)

    @classmethod
    def tile_problem(cls, config: TransformerConfig, tile_px: int) -> Problem | None:
        """Problem of a tile that is not a whole number of patches wide."""
        return patch_problem(cls.name, config.patch_px, tile_px)
