"""Power of a map by wavelength and direction."""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


@final
class RingSpectrum(nn.Module):
    """Power in rings of equal width in log frequency, and each ring's preference for a direction.

    Rings run from 1.5 waves per tile to half the sampling rate.
    """

    def __init__(self, *, n_rings: int, n_turned: int) -> None:
        """Measure `n_rings` rings, and direction in the `n_turned` of longest wavelength."""
        super().__init__()
        self.n_rings, self.n_turned = n_rings, n_turned
        self._tables: dict[tuple[int, torch.device], tuple[Tensor, Tensor]] = {}

    @property
    def width(self) -> int:
        """Numbers per map."""
        return self.n_rings + self.n_turned

    def forward(
        self, values: Float[Tensor, "B 1 P P"], scale: Float[Tensor, " B"] | None
    ) -> Float[Tensor, "B D"]:
        """Give log10 of the rings' mean power over `scale`, then preference in 0..1.

        Without a scale, power is relative to the map's total: only the shape of the spectrum. With
        the sum of squared point weights as scale it is the structure factor of the points.
        """
        centred = values[:, 0] - values.mean(dim=(1, 2, 3))[:, None, None]
        rings, turned = self._table(values.shape[-1], values.device)
        power = torch.view_as_real(torch.fft.fft2(centred)).square().sum(dim=-1).flatten(1)
        ring = power @ rings
        total = power.mean(dim=1) if scale is None else scale
        shape = torch.log10(ring / (total[:, None] + 1e-6) + 1e-3)
        # twice the angle: a wave and its mirror are one direction
        cosine, sine = (power @ turned).chunk(2, dim=1)
        strength = (cosine.square() + sine.square() + 1e-12).sqrt()
        return torch.cat([shape, strength / (ring[:, : self.n_turned] + 1e-6)], dim=1)

    def _table(self, side_px: int, device: torch.device) -> tuple[Tensor, Tensor]:
        """Averaging weights [P * P, rings] and [P * P, 2 * turned] for maps of one size."""
        key = (side_px, device)
        if key not in self._tables:
            # a table first made without gradients must serve gradients later
            with torch.inference_mode(mode=False):
                ring, turned = self._weights(side_px)
                self._tables[key] = (ring.float().to(device), turned.float().to(device))
        return self._tables[key]

    def _weights(self, side_px: int) -> tuple[Tensor, Tensor]:
        wave = torch.fft.fftfreq(side_px, 1.0 / side_px, dtype=torch.float64)
        radius = torch.hypot(wave[:, None], wave[None, :])
        edges = torch.logspace(math.log10(1.5), math.log10(side_px / 2), self.n_rings + 1)
        edges[0] = 0.5  # the lowest ring takes single waves too
        index = torch.bucketize(radius, edges.double()) - 1
        ring = torch.stack([(index == i).double().flatten() for i in range(self.n_rings)], dim=1)
        ring = ring / ring.sum(dim=0).clamp(min=1.0)
        angle = 2 * torch.atan2(wave[:, None], wave[None, :]).flatten()[:, None]
        turned = ring[:, : self.n_turned]
        return ring, torch.cat([turned * angle.cos(), turned * angle.sin()], dim=1)
