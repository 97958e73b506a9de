"""A vision transformer with access to each layer, for models that insert other layers.

Dosovitskiy et al. 2021, arXiv:2010.11929. The layers are timm's; the class token is left out and
patch tokens are averaged instead.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe import torchvision_guard  # noqa: F401 - before timm
from histoscribe.models.base import Facts
from histoscribe.models.layers.image_input import NormalisedTiles


@dataclass(frozen=True, kw_only=True)
class TransformerConfig:
    """Size and learning rate of the transformer; the default is ViT-B/16, 86 M parameters."""

    patch_px: int = 16
    """Side of a patch; the side of a tile is a multiple of it."""
    width: int = 768
    """Width of a token."""
    depth: int = 12
    """Layers of attention and MLP."""
    heads: int = 12
    """Attention heads; they divide the width."""
    learning_rate: float = 5e-4
    """Peak rate of AdamW; the default is the EGN paper's."""

    def __post_init__(self) -> None:
        if min(self.patch_px, self.width, self.depth, self.heads) < 1:
            raise ValueError("patch_px, width, depth and heads are each at least 1")
        if self.width % self.heads:
            raise ValueError(
                f"heads must divide the width: {self.width} is no multiple of {self.heads}"
            )

    @classmethod
    def small(cls) -> "TransformerConfig":
        """A size that trains on two cores, for tiles of 32 to 64 px."""
        return cls(patch_px=8, width=128, depth=4, heads=4, learning_rate=1e-3)

    @classmethod
    def tiny(cls) -> "TransformerConfig":
        """Settings for tests."""
        return cls(patch_px=8, width=32, depth=2, heads=2, learning_rate=3e-3)


@final
class PatchTransformer(nn.Module):
    """Patch embedding, position embedding, layers and the last normalisation, one at a time."""

    def __init__(self, facts: Facts, config: TransformerConfig) -> None:
        super().__init__()
        from timm.models.vision_transformer import VisionTransformer  # seconds to import

        self.normalise = NormalisedTiles(facts.image_mean, facts.image_scale)
        self.net: Any = VisionTransformer(
            img_size=facts.tile_px,
            patch_size=config.patch_px,
            embed_dim=config.width,
            depth=config.depth,
            num_heads=config.heads,
            num_classes=0,
            class_token=False,
            global_pool="avg",
            fc_norm=False,  # tokens are normalised, then averaged
        )

    def embed(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B tokens width"]:
        """Cut tiles into patches, one token each, with its position."""
        return self.net.patch_embed(self.normalise(image)) + self.net.pos_embed

    @property
    def layers(self) -> Iterator[Any]:
        """The layers in order; each has `norm1`, `attn`, `norm2` and `mlp`."""
        return iter(self.net.blocks)

    def pool(self, tokens: Float[Tensor, "B tokens width"]) -> Float[Tensor, "B width"]:
        """Normalise patch tokens and take their mean."""
        return self.net.norm(tokens).mean(dim=1)
