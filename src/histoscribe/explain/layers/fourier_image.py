"""Images made of waves in uncorrelated colours, and their views: what activation is raised in.

Pixels would give high-frequency noise. The image is a sum of waves that are the weaker the finer
they are, as in photographs, in colours that are uncorrelated in tissue (Olah, Mordvintsev and
Schubert 2017, doi:10.23915/distill.00007). Every step sees it shifted and turned a little.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional

from histoscribe.seed import stream

MOST_DEGREES = 10.0
"""A view is turned by at most this angle."""
MOST_SHIFT = 1 / 16
"""A view is shifted by at most this part of the side of a tile."""
_MARGIN = 0.15  # of the side of a tile, around it: what views need that are turned and shifted
_START = 0.1  # deviation of the colours of a start image, in deviations of those of tissue
_SEED = 0  # of start images and views; nobody needs another one
_WHITE = 255
_EDGE = 0.5  # grey levels: black and white have no finite logit


@final
@dataclass(frozen=True, eq=False)
class TissueColours:
    """Mean and covariance of the logits of red, green and blue over pixels of tissue."""

    mean: Float[Tensor, " 3"]
    mixing: Float[Tensor, "3 3"]
    """Square root of the covariance: from uncorrelated colours to those of tissue."""

    @classmethod
    def of(cls, image: UInt8[Tensor, "n 3 P P"]) -> "TissueColours":
        """Colours of these tiles, without pure white, which lies off the tissue."""
        pixels = image.permute(0, 2, 3, 1).reshape(-1, 3)
        tissue = pixels[(pixels < _WHITE).any(dim=1)]
        share = (tissue if len(tissue) > 1 else pixels).double().clamp(_EDGE, 255 - _EDGE) / 255
        logit = share.logit()
        value, vector = torch.linalg.eigh(torch.cov(logit.T))
        root = vector * value.clamp(min=1e-6).sqrt() @ vector.T
        return cls(logit.mean(dim=0).float(), root.float())


@final
class FourierImages:
    """Images as waves; `spectrum` is what gradients change."""

    def __init__(self, names: Sequence[str], tile_px: int, colours: TissueColours) -> None:
        """Start images of these names, in mean colours of tissue with faint random waves.

        An image depends on its name only, not on the others.
        """
        margin = int(np.ceil(_MARGIN * tile_px))
        self.tile_px, self._side, self._colours = tile_px, tile_px + 2 * margin, colours
        shape = (3, self._side, self._side // 2 + 1, 2)
        start = [stream(_SEED, f"explain-layers-unit-{name}").normal(size=shape) for name in names]
        self.spectrum = torch.tensor(_START * np.stack(start), dtype=torch.float32)
        self.spectrum.requires_grad_()
        self._weight = _wave_weights(self._side)

    def view(self, step: int) -> Float[Tensor, "n 3 P P"]:
        """The images in 0-255, all shifted and turned alike, at random in each step."""
        draw = stream(_SEED, f"explain-layers-view-{step}").uniform(-1, 1, 3)
        angle, part = np.deg2rad(MOST_DEGREES * draw[0]), self.tile_px / self._side
        shift = 2 * MOST_SHIFT * part * draw[1:]
        turn = part * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        theta = torch.tensor(np.column_stack([turn, shift]), dtype=torch.float32)
        n_images = len(self.spectrum)
        size = [n_images, 3, self.tile_px, self.tile_px]
        places = functional.affine_grid(theta.expand(n_images, 2, 3), size, align_corners=False)
        return functional.grid_sample(
            self._canvas(), places, padding_mode="border", align_corners=False
        )

    def tiles(self) -> UInt8[Tensor, "n 3 P P"]:
        """The images themselves, as tiles."""
        margin = (self._side - self.tile_px) // 2
        inside = slice(margin, margin + self.tile_px)
        with torch.no_grad():
            return self._canvas()[..., inside, inside].round().to(torch.uint8)

    def _canvas(self) -> Float[Tensor, "n 3 S S"]:
        waves = torch.view_as_complex(self.spectrum) * self._weight
        field = torch.fft.irfft2(waves, s=(self._side, self._side), norm="ortho")
        mixed = torch.einsum("cd,ndhw->nchw", self._colours.mixing, field)
        return 255 * torch.sigmoid(mixed + self._colours.mean[:, None, None])


def _wave_weights(side_px: int) -> Float[Tensor, "S W"]:
    """1 / frequency, scaled so that waves of deviation one give colours of about deviation one."""
    rows, columns = np.fft.fftfreq(side_px)[:, None], np.fft.rfftfreq(side_px)[None]
    weight = 1 / np.maximum(np.hypot(rows, columns), 1 / side_px)
    return torch.tensor(weight / np.sqrt(2 * (weight**2).mean()), dtype=torch.float32)
