"""Stages of ConvNeXt, as the convolution branch of TCGN's graph has them.

Liu et al. 2022, arXiv:2201.03545, with normalisation over all channels and positions of an image.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

_LAYER_SCALE = 1e-6  # a block starts as almost nothing


@final
class ConvNeXtStage(nn.Module):
    """Halves the side of a map, then runs residual blocks."""

    def __init__(self, width_in: int, width: int, blocks: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width_in)
        self.halve = nn.Conv2d(width_in, width, 2, 2)
        self.blocks = nn.Sequential(*[ConvNeXtBlock(width) for _ in range(blocks)])

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C2 H2 W2"]:
        """Map of half the side, from patches of 2 x 2."""
        return self.blocks(self.halve(self.norm(grid)))


@final
class ConvNeXtBlock(nn.Module):
    """A wide convolution of each channel, then a network on the channels of each position."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.Conv2d(width, width, 7, padding=3, groups=width, bias=False)
        self.norm = nn.GroupNorm(1, width)
        self.widen = nn.Conv2d(width, 4 * width, 1)
        self.narrow = nn.Conv2d(4 * width, width, 1)
        self.scale = nn.Parameter(torch.full((width,), _LAYER_SCALE))

    def forward(self, grid: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Map of the same size."""
        wide = nn.functional.gelu(self.widen(self.norm(self.local(grid))))
        return grid + self.scale[:, None, None] * self.narrow(wide)
