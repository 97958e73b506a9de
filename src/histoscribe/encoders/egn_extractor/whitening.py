"""Whitened codes: every direction counts about equally in a distance between two windows.

A few directions hold most of the variance of trained codes, such as the strength of the stain, and
would alone decide which windows are near (Jegou and Chum, ECCV 2012,
DOI 10.1007/978-3-642-33709-3_55). Directions that hardly vary are noise: they are not enlarged
without limit.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

FLOOR = 0.1
"""Variance added to every direction before scaling, as a share of the mean variance."""


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
        V (v + floor * mean v)^(-1/2). Codes that are all alike are only centred.
        """
        exact = codes.detach().cpu().double()
        mean = exact.mean(dim=0)
        variance, direction = torch.linalg.eigh(torch.cov((exact - mean).T, correction=0))
        n_kept = self.matrix.shape[1]
        variance, direction = variance[-n_kept:].clamp(min=0), direction[:, -n_kept:]
        total = variance.mean()
        self.mean.copy_(mean)
        if total > 0:
            self.matrix.copy_(direction * (variance + floor * total).rsqrt())
