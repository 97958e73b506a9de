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
    """A linear map of codes, fitted after training; before that it changes nothing."""

    mean: Tensor
    matrix: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("matrix", torch.eye(width))

    def forward(self, code: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        """Whiten codes."""
        return (code - self.mean) @ self.matrix

    def fit(self, codes: Float[Tensor, "N D"], floor: float = FLOOR) -> None:
        """Fit the map to codes of training windows.

        With V the directions of their covariance and v their variances, the map is
        V (v + floor * mean v)^(-1/2) V^T: it scales directions and turns none, so that each number
        of the code keeps its place. Codes that are all alike are only centred.
        """
        exact = codes.detach().cpu().double()
        mean = exact.mean(dim=0)
        covariance = torch.cov((exact - mean).T, correction=0)
        total = covariance.diagonal().mean()
        if not total > 0:
            matrix = torch.eye(len(mean), dtype=torch.float64)
        else:
            variance, direction = torch.linalg.eigh(covariance)
            scale = (variance.clamp(min=0) + floor * total).rsqrt()
            matrix = direction * scale @ direction.T
        self.mean.copy_(mean)
        self.matrix.copy_(matrix)
