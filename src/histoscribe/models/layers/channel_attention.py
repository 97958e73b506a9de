"""How TCGN adds the nodes of a graph to a map: attention between channels.

Xiao et al. 2024, doi:10.1016/j.media.2023.103040.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.layers.encoder_block import EncoderBlock

HEADS = 4


@final
class ChannelAttention(nn.Module):
    """Each channel of a map, one token over all positions, attends to channels of map and nodes."""

    def __init__(self, n_positions: int) -> None:
        """`n_positions` is the number of tokens of the map, and of nodes; a multiple of 4."""
        super().__init__()
        self.block = EncoderBlock(n_positions, HEADS, diagonal=True)

    def forward(
        self, tokens: Float[Tensor, "B N C"], nodes: Float[Tensor, "B N C2"]
    ) -> Float[Tensor, "B N C"]:
        """Mix the channels of a map with one another and with channels of nodes."""
        channels = torch.cat([tokens, nodes], dim=2).transpose(1, 2)
        return self.block(channels, tokens.shape[2]).transpose(1, 2)
