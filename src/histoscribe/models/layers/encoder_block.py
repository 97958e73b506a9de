"""The transformer block with which TCGN joins the graph and the maps.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


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

    def forward(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        """Mix the tokens."""
        tokens = tokens + self.dropout(self._attend(self.norm_tokens(tokens)))
        return tokens + self.dropout(self.channels(self.norm_channels(tokens)))

    def _attend(self, tokens: Float[Tensor, "B T D"]) -> Float[Tensor, "B T D"]:
        # outputs of the layer lie as (head, channel, kind), as in the published weights
        split = self.query_key_value(tokens).unflatten(2, (self.heads, -1, 3)).transpose(1, 2)
        query, key, value = split.unbind(dim=4)
        logits = query @ key.transpose(2, 3)
        if self.diagonal:
            n_tokens = tokens.shape[1]
            logits = logits + torch.eye(n_tokens, dtype=logits.dtype, device=logits.device)
        weight = self.dropout((logits * tokens.shape[2] ** -0.5).softmax(dim=3))
        return (weight @ value).transpose(1, 2).flatten(2)
