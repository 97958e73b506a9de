"""Convolutions over the true grid of tiles: the position encoding of TransMIL.

Shao et al. 2021, arXiv:2106.00908, call it pyramid position encoding generator (PPEG).
"""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor, nn

_SIDES = (7, 5, 3)  # cells


@final
class GridConvolutions(nn.Module):
    """Adds three depthwise convolutions over the neighbours of a tile to the tile itself."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.kernels = nn.ModuleList(
            nn.Conv2d(width, width, side, padding=side // 2, groups=width) for side in _SIDES
        )

    def forward(
        self,
        tokens: Float[Tensor, "B N R"],
        slide: Int[Tensor, "B N"],
        cell: Int[Tensor, "B N 2"],
    ) -> Float[Tensor, "B N R"]:
        """Mix each tile with those around it; cells without a tile are zero.

        `slide` numbers all slides from 0: tiles of different slides never meet. `cell` is row and
        column.
        """
        place = (slide, cell[..., 0], cell[..., 1])
        shape = (int(part.max()) + 1 for part in place)
        grid = tokens.new_zeros(*shape, tokens.shape[-1]).index_put(place, tokens)
        grid = grid.movedim(-1, 1)
        mixed = grid + sum(kernel(grid) for kernel in self.kernels)
        return mixed.movedim(1, -1)[place]
