"""Transformer layers over pathway tokens and the spots of sections."""

from collections.abc import Collection, Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from histoscribe.models.layers.pathway_attention import AttentionMaps, Flow, PathwayAttention

_ROWS = 4096
"""Spots that go through the feed-forward part at once."""


@final
class PathwayLayer(nn.Module):
    """One pre-norm layer: attention, then two linear layers with a ReLU between them.

    Dropout stands behind attention and in the feed-forward part.
    """

    def __init__(self, width: int, n_heads: int, flows: Collection[Flow], dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.attention = PathwayAttention(width, n_heads, flows)
        self.dropout = nn.Dropout(dropout)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            # before the ReLU, which gives the same numbers, and one array less waits for gradients
            nn.Dropout(dropout),
            nn.ReLU(),
            nn.Linear(4 * width, width),
            nn.Dropout(dropout),
        )

    def forward(
        self,
        pathways: Float[Tensor, "B P width"],
        spots: Float[Tensor, "M width"],
        sizes: Sequence[int],
    ) -> tuple[Float[Tensor, "B P width"], Float[Tensor, "M width"]]:
        """Tokens after the layer; `sizes` divides the spots into sections."""
        read = self.attention(self.norm(pathways), self.norm(spots), sizes)
        pathways, spots = pathways + self.dropout(read[0]), spots + self.dropout(read[1])
        # some rows at a time: arrays four times as wide as a large section would be taken from the
        # system and given back in every step
        parts = [part + self.feed_forward(part) for part in spots.split(_ROWS)]
        return pathways + self.feed_forward(pathways), torch.cat(parts)


@final
class PathwayEncoder(nn.Module):
    """Layers over pathway tokens and spots, and a last normalisation."""

    def __init__(self, layers: Sequence[PathwayLayer], width: int) -> None:
        super().__init__()
        self.layers: Any = nn.ModuleList(layers)
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        pathways: Float[Tensor, "B P width"],
        spots: Float[Tensor, "M width"],
        sizes: Sequence[int],
        *,
        checkpointing: bool,
    ) -> tuple[Float[Tensor, "B P width"], Float[Tensor, "M width"]]:
        """Tokens after all layers.

        With `checkpointing` only what goes into each layer is kept for gradients, and the rest is
        computed again.
        """
        for layer in self.layers:
            if checkpointing and self.training:
                pathways, spots = checkpoint(layer, pathways, spots, sizes, use_reentrant=False)
            else:
                pathways, spots = layer(pathways, spots, sizes)
        return self.norm(pathways), self.norm(spots)

    def maps(
        self,
        pathways: Float[Tensor, "B P width"],
        spots: Float[Tensor, "M width"],
        sizes: Sequence[int],
        rows: Int[Tensor, " c"],
    ) -> list[list[AttentionMaps]]:
        """Attention weights of each layer, in each section."""
        maps = []
        for layer in self.layers:
            maps.append(layer.attention.maps(layer.norm(pathways), layer.norm(spots), sizes, rows))
            pathways, spots = layer(pathways, spots, sizes)
        return maps
