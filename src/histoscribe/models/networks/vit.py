"""ViT-B: a vision transformer on the tile; `docs/methods/vit.md` gives the equations."""

from typing import final

from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import patch_problem
from histoscribe.models.layers.patch_transformer import PatchTransformer, TransformerConfig
from histoscribe.models.recipe import Recipe, compared
from histoscribe.types import Output


@final
@register("vit")
class ViT(ExpressionModel):
    """Predicts a spot from its tile by the mean of the patch tokens of a ViT."""

    paper = "arXiv:2010.11929"
    Config = TransformerConfig

    def __init__(self, facts: Facts, config: TransformerConfig) -> None:
        super().__init__(facts, config)
        self.patches = PatchTransformer(facts, config)
        self.head = GeneHead(config.width, facts)

    def forward(self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]) -> Output:
        """Predict the genes from the mean patch token."""
        return self.read(self.represent(image))

    def represent(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B R"]:
        """Mean patch token."""
        tokens = self.patches.embed(image)
        for layer in self.patches.layers:
            tokens = layer(tokens)
        return self.patches.pool(tokens)

    @classmethod
    def recipe(cls, config: TransformerConfig) -> Recipe:
        """Training of the EGN paper."""
        return compared(config.learning_rate)

    @classmethod
    def tile_problem(cls, config: TransformerConfig, tile_px: int) -> Problem | None:
        """Problem of a tile that is not a whole number of patches wide."""
        return patch_problem(cls.name, config.patch_px, tile_px)
