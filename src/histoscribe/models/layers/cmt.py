"""Convolutions and attention in one block, on maps of four scales: CMT.

Guo et al. 2022, arXiv:2107.06263, section 3. Tokens are the positions of a square map, row by row.
"""

from dataclasses import dataclass
from math import isqrt
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.layers.batch_norm import BatchNorm


@dataclass(frozen=True, kw_only=True)
class StageShape:
    """Sizes of one stage."""

    width_in: int
    """Channels of the map that the stage reads."""
    width: int
    """Channels of its tokens."""
    blocks: int
    heads: int
    """Attention heads; they divide the width."""
    reduction: int
    """Side of the square of positions that share one key; it divides the side of the map."""
    expansion: float
    """Hidden channels of a block's convolutions, relative to its width."""
    side: int
    """Side of the stage's map, half that of the map it reads."""


@final
class Stem(nn.Module):
    """Three convolutions of 3 x 3; the first halves the side of the tile."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *[
                nn.Sequential(
                    nn.Conv2d(3 if i == 0 else width, width, 3, 2 if i == 0 else 1, padding=1),
                    nn.GELU(),
                    BatchNorm(width),
                )
                for i in range(3)
            ]
        )

    def forward(self, tiles: Float[Tensor, "B 3 P P"]) -> Float[Tensor, "B C H W"]:
        """Map of half the tile's side."""
        return self.layers(tiles)


@final
class CMTStage(nn.Module):
    """Halves the side of a map, then runs blocks that share one position bias."""

    def __init__(self, shape: StageShape) -> None:
        super().__init__()
        self.embed = PatchEmbedding(shape.width_in, shape.width, 2)
        n_keys = (shape.side // shape.reduction) ** 2
        self.bias = nn.Parameter(torch.randn(shape.heads, shape.side**2, n_keys))
        self.blocks = nn.ModuleList(
            CMTBlock(shape.width, shape.heads, expansion=shape.expansion, reduction=shape.reduction)
            for _ in range(shape.blocks)
        )

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """Map of half the side, from patches of 2 x 2."""
        return as_map(self.run_blocks(self.embed(grid)))

    def run_blocks(self, tokens: Float[Tensor, "B N C"]) -> Float[Tensor, "B N C"]:
        """Run the blocks on embedded patches."""
        for block in self.blocks:
            tokens = block(tokens, self.bias)
        return tokens


@final
class PatchEmbedding(nn.Module):
    """Cuts a map into square patches, one normalised token each."""

    def __init__(self, width_in: int, width: int, patch: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(width_in, width, patch, patch)
        self.norm = nn.LayerNorm(width)

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N C2"]:
        """Tokens of the patches, row by row."""
        return self.norm(as_tokens(self.project(grid)))


@final
class CMTBlock(nn.Module):
    """Local perception, attention with a position bias, and convolutions; all residual."""

    def __init__(
        self,
        width: int,
        heads: int,
        *,
        expansion: float,
        reduction: int = 1,
        qkv_bias: bool = True,
        norm_eps: float = 1e-6,
    ) -> None:
        super().__init__()
        self.perceive = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.norm_tokens = nn.LayerNorm(width, eps=norm_eps)
        self.attend = CMTAttention(width, heads, reduction=reduction, qkv_bias=qkv_bias)
        self.norm_channels = nn.LayerNorm(width, eps=norm_eps)
        self.mix = InvertedResidual(width, int(width * expansion))

    def forward(
        self, tokens: Float[Tensor, "B N C"], bias: Float[Tensor, "heads N M"]
    ) -> Float[Tensor, "B N C"]:
        """Mix tokens of a square map; `bias` is added to the attention of each head."""
        grid = as_map(tokens)
        tokens = as_tokens(grid + self.perceive(grid))
        tokens = tokens + self.attend(self.norm_tokens(tokens), bias)
        return tokens + as_tokens(self.mix(as_map(self.norm_channels(tokens))))


@final
class CMTAttention(nn.Module):
    """Attention to a coarser map: keys and values come from a convolution with a stride."""

    def __init__(self, width: int, heads: int, *, reduction: int, qkv_bias: bool) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width: {width} is no multiple of {heads}")
        self.heads = heads
        self.query = nn.Linear(width, width, bias=qkv_bias)
        self.key = nn.Linear(width, width, bias=qkv_bias)
        self.value = nn.Linear(width, width, bias=qkv_bias)
        self.project = nn.Linear(width, width)
        self.reduce = (
            nn.Identity()
            if reduction == 1
            else nn.Sequential(
                nn.Conv2d(width, width, reduction, reduction, groups=width), BatchNorm(width)
            )
        )

    def forward(
        self, tokens: Float[Tensor, "B N C"], bias: Float[Tensor, "heads N M"]
    ) -> Float[Tensor, "B N C"]:
        """Mean value of the keys of each token, weighted by product and position."""
        coarse = as_tokens(self.reduce(as_map(tokens)))
        query, key, value = (
            layer(read).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for layer, read in ((self.query, tokens), (self.key, coarse), (self.value, coarse))
        )
        logits = query @ key.transpose(2, 3) * query.shape[3] ** -0.5 + bias
        return self.project((logits.softmax(dim=3) @ value).transpose(1, 2).flatten(2))


@final
class InvertedResidual(nn.Module):
    """Widens a map, adds a convolution of each channel's neighbourhood, and narrows it again."""

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.widen = nn.Conv2d(width, hidden, 1)
        self.norm_wide = BatchNorm(hidden)
        self.local = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden)
        self.norm_local = BatchNorm(hidden)
        self.narrow = nn.Conv2d(hidden, width, 1)
        self.norm_narrow = BatchNorm(width)

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Map of the same size; the block adds it to its input."""
        wide = self.norm_wide(functional.gelu(self.widen(grid)))
        wide = self.norm_local(functional.gelu(wide + self.local(wide)))
        return self.norm_narrow(self.narrow(wide))


def as_map(tokens: Float[Tensor, "B N C"]) -> Float[Tensor, "B C H W"]:
    """The square map of these tokens; channels stay last in memory, so nothing is copied."""
    side = isqrt(tokens.shape[1])
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def as_tokens(grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B N C"]:
    """One token for each position of a map, row by row."""
    return grid.flatten(2).transpose(1, 2)


def draw_weights(layer: nn.Module) -> None:
    """Draw a layer's weights as CMT does; call it by `Module.apply`.

    Linear layers: truncated normal, deviation 0.02. Convolutions: normal, deviation
    sqrt(2 / (channels out x side^2)). Biases are zero. Other layers keep torch's start, and so do
    layers without memory, on the meta device.
    """
    if any(parameter.is_meta for parameter in layer.parameters(recurse=False)):
        return
    if isinstance(layer, nn.Linear):
        nn.init.trunc_normal_(layer.weight, std=0.02)
    elif isinstance(layer, nn.Conv2d):
        nn.init.kaiming_normal_(layer.weight, mode="fan_out")
    else:
        return
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
