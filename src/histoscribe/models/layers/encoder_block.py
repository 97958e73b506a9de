"""The transformer block with which TCGN joins the graph and the maps.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@final
class EncoderBlock(nn.Module):
    """Normalised attention and a network on each token, both residual.

    The attention differs from the usual one: its scale is one over the square root of the whole
    width, not of a head's, and no layer follows the heads.
    """

    def __init__(
        self, width: int, heads: int, *, dropout: float = 0.1, diagonal: bool = False
    ) -> None:
        """`diagonal` adds one to the product of each token with itself, before the scale.

        Raises
        ------
        ValueError
            if the heads do not divide the width.
        """
        super().__init__()
        if width % heads:
            raise ValueError(f"heads must divide the width: {width} is no multiple of {heads}")
        self.heads, self.diagonal = heads, diagonal
        self.norm_tokens = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.dropout = nn.Dropout(dropout)
        self.norm_channels = nn.LayerNorm(width)
        self.channels = nn.Sequential(
            nn.Linear(width, 4 * width),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )

    def forward(
        self, tokens: Float[Tensor, "B T D"], n_first: int | None = None
    ) -> Float[Tensor, "B T2 D"]:
        """Mix the tokens; with `n_first`, give only the first ones, for less work."""
        mixed = tokens[:, :n_first] + self.dropout(self._attend(self.norm_tokens(tokens), n_first))
        return mixed + self.dropout(self.channels(self.norm_channels(mixed)))

    def _attend(
        self, tokens: Float[Tensor, "B T D"], n_first: int | None
    ) -> Float[Tensor, "B T2 D"]:
        query, key, value = self._split(tokens)
        scale = tokens.shape[2] ** -0.5
        logits = (scale * query[:, :, :n_first]) @ key.transpose(2, 3)
        if self.diagonal:
            one = torch.eye(*logits.shape[2:], dtype=logits.dtype, device=logits.device)
            logits = logits + scale * one
        weight = self.dropout(logits.softmax(dim=3))
        return (weight @ value).transpose(1, 2).flatten(2)

    def _split(self, tokens: Float[Tensor, "B T D"]) -> tuple[Float[Tensor, "B h T d"], ...]:
        """Query, key and value of each head.

        Rows of the layer lie as (head, channel, kind), as in the published weights. They are sorted
        by kind before the product: they are far fewer than its results.
        """
        layer, width = self.query_key_value, tokens.shape[2]
        weight = layer.weight.unflatten(0, (width, 3)).transpose(0, 1).flatten(0, 1)
        bias = layer.bias.unflatten(0, (width, 3)).t().flatten()
        by_kind = functional.linear(tokens, weight, bias).chunk(3, dim=2)
        return tuple(part.unflatten(2, (self.heads, -1)).transpose(1, 2) for part in by_kind)
