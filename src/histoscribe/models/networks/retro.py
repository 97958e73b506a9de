"""Retro: a ViT in which every second layer attends to exemplars.

Borgeaud et al. 2022, arXiv:2112.04426, adapted from text to tiles as in the comparison of the EGN
paper, arXiv:2210.16721. `docs/methods/retro.md` explains what replaces a chunk, and which of the
two variants is ours.
"""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.errors import Problem
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.exemplar_tokens import ExemplarTokens
from histoscribe.models.layers.head import GeneHead
from histoscribe.models.layers.image_input import patch_problem
from histoscribe.models.layers.patch_transformer import PatchTransformer, TransformerConfig
from histoscribe.models.recipe import Recipe, exemplar_guided
from histoscribe.types import Output

_EVERY = 2  # layers from one cross-attention to the next


@dataclass(frozen=True, kw_only=True)
class RetroConfig(TransformerConfig):
    """Size and learning rate of the transformer, and the inputs from an exemplar."""

    with_expression: bool = False
    """Whether an exemplar's expression is used in addition to its feature; true is our variant."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.depth < _EVERY:
            raise ValueError(f"exemplars enter at every layer {_EVERY}; the depth is {self.depth}")


@final
@register("retro")
class Retro(ExpressionModel):
    """Predicts a spot from patch tokens that look exemplars up, by cross-attention."""

    paper = "arXiv:2112.04426"
    Config = RetroConfig

    def __init__(self, facts: Facts, config: RetroConfig) -> None:
        super().__init__(facts, config)
        self.patches = PatchTransformer(facts, config)
        self.exemplars = ExemplarTokens(facts, config.width, with_expression=config.with_expression)
        self.norm = nn.LayerNorm(config.width)
        self.look_up = nn.ModuleList(
            _CrossAttention(config.width, config.heads) for _ in range(config.depth // _EVERY)
        )
        self.head = GeneHead(config.width, facts)

    def forward(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        exemplar_feature: Float[Tensor, "B E D"],
        exemplar_target: Float[Tensor, "B E G"],
    ) -> Output:
        """Predict the genes from the mean patch token; targets are used only `with_expression`."""
        return self.read(self.represent(image, exemplar_feature, exemplar_target))

    def represent(
        self,
        image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"],
        exemplar_feature: Float[Tensor, "B E D"],
        exemplar_target: Float[Tensor, "B E G"],
    ) -> Float[Tensor, "B R"]:
        """Mean patch token."""
        brought = exemplar_target if self.config.with_expression else None
        exemplars = self.norm(self.exemplars(exemplar_feature, brought))
        tokens = self.patches.embed(image)
        for number, layer in enumerate(self.patches.layers, start=1):
            tokens = tokens + layer.attn(layer.norm1(tokens))
            if number % _EVERY == 0:
                tokens = tokens + self.look_up[number // _EVERY - 1](tokens, exemplars)
            tokens = tokens + layer.mlp(layer.norm2(tokens))
        return self.patches.pool(tokens)

    @classmethod
    def recipe(cls, config: RetroConfig) -> Recipe:
        """Training of the EGN paper."""
        return exemplar_guided(config.learning_rate)

    @classmethod
    def tile_problem(cls, config: RetroConfig, tile_px: int) -> Problem | None:
        """Problem of a tile that is not a whole number of patches wide."""
        return patch_problem(cls.name, config.patch_px, tile_px)


@final
class _CrossAttention(nn.Module):
    """Cross-attention from the tokens of a chunk to its neighbours: here the tile's exemplars."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.key_and_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, width)

    def forward(
        self, tokens: Float[Tensor, "B tokens C"], exemplars: Float[Tensor, "B E C"]
    ) -> Float[Tensor, "B tokens C"]:
        query = self._by_head(self.query(self.norm(tokens)))
        key, value = map(self._by_head, self.key_and_value(exemplars).chunk(2, dim=-1))
        read = functional.scaled_dot_product_attention(query, key, value)
        return self.out(read.transpose(1, 2).flatten(2))

    def _by_head(self, x: Float[Tensor, "B length C"]) -> Float[Tensor, "B heads length c"]:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
