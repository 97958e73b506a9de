"""Whitened codes: every direction counts about equally in a distance between two windows.

A few directions hold most of the variance of trained codes, such as the strength of the stain, and
would alone decide which windows are near (Jegou and Chum, ECCV 2012,
DOI 10.1007/978-3-642-33709-3_55). Directions that hardly vary are noise: they are not enlarged
without limit, and beyond the largest 128 they are left out.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

FLOOR = 0.1
"""Variance added to every direction before scaling, as a share of the mean variance."""
_RANK = 1e-6  # a shorter direction, compared with the longest, is rounding
_TINY = 1e-300


@final
class Whitening(nn.Module):
    """A linear map of codes to few directions, fitted after training; before, it is a cut."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int, n_kept: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width, n_kept))

    def forward(self, code: Float[Tensor, "B D"]) -> Float[Tensor, "B K"]:
        """Whiten codes."""
        return (code - self.mean) @ self.matrix

    def fit(self, codes: Float[Tensor, "N D"], floor: float = FLOOR) -> None:
        """Fit the map to codes of training windows.

        With V the directions of their covariance that have the largest variances v, the map is
        V (v + floor * mean v)^(-1/2). Equal codes are only centred. Fewer windows than directions
        leave the other columns of the map at 0.
        """
        exact = codes.detach().cpu().double()
        mean = exact.mean(dim=0)
        variance, direction = _directions(exact - mean)
        n_kept = min(self.matrix.shape[1], len(variance))
        variance, direction = variance[-n_kept:], direction[:, -n_kept:]
        total = variance.mean()
        self.mean.copy_(mean)
        if total > 0:
            self.matrix.zero_()
            self.matrix[:, :n_kept] = direction * (variance + floor * total).rsqrt()


def _directions(rows: Float[Tensor, "N D"]) -> tuple[Float[Tensor, " K"], Float[Tensor, "D K"]]:
    """Variances of centred rows along their principal directions, and these, ascending."""
    n_rows, width = rows.shape
    if n_rows >= width:
        squares, direction = torch.linalg.eigh(rows.T @ rows)
    else:  # the products of rows have the same squares, and are fewer
        squares, left = torch.linalg.eigh(rows @ rows.T)
        right = rows.T @ left
        length = right.norm(dim=0)
        some = length > _RANK * length.max()
        direction = torch.where(some, right / length.clamp(min=_TINY), 0.0)
    return squares.clamp(min=0) / n_rows, direction
