"""Positions of spots in um as vectors, for networks that read whole sections."""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

Positions = Literal["sinusoidal2d", "mlp", "none"]
"""Fixed sines and cosines, a learned network, or no positions."""

_STEP_UM = 100.0
"""Distance of one step of the sinusoid: the pitch of Visium spots."""
_BASE = 10_000.0
_MLP_UM = 1000.0
"""Unit of the learned network: a section of 6.5 mm lies within -3.3 to 3.3."""


def position_layer(kind: Positions, width: int) -> nn.Module | None:
    """Layer from positions in um [M 2] to vectors [M width]; None for `none`.

    Units are physical, not parts of the slide's extent: a distance has the same meaning on a biopsy
    and on a resection.
    """
    if kind == "none":
        return None
    return SinusoidalPositions(width) if kind == "sinusoidal2d" else LearnedPositions(width)


@final
class SinusoidalPositions(nn.Module):
    """Sines and cosines of x in the first half of the vector, of y in the second.

    Vaswani et al. 2017, arXiv:1706.03762, section 3.5, for each axis: wavelengths from 0.6 mm
    to 6 m in steps of equal ratio.
    """

    frequency: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        n = width // 4
        exponent = torch.arange(n, dtype=torch.float64) / n
        per_um = torch.pow(_BASE, -exponent) / _STEP_UM
        self.register_buffer("frequency", per_um.float(), persistent=False)

    def forward(self, um: Float[Tensor, "M 2"]) -> Float[Tensor, "M width"]:
        """One vector for each position."""
        # in float32 under autocast, too: bfloat16 would round 3 mm to steps of 16 um
        with torch.autocast(um.device.type, enabled=False):
            angle = um[:, :, None] * self.frequency
            return torch.cat([angle.sin(), angle.cos()], dim=2).flatten(1)


@final
class LearnedPositions(nn.Module):
    """Two linear layers with a GELU between them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, width), nn.GELU(), nn.Linear(width, width))

    def forward(self, um: Float[Tensor, "M 2"]) -> Float[Tensor, "M width"]:
        """One vector for each position."""
        with torch.autocast(um.device.type, enabled=False):  # as for the sinusoid
            return self.net(um / _MLP_UM)
