"""Shared input of image networks: tiles of one side, normalised, cut into patches."""

from typing import final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.encoders.record import IMAGENET_MEAN, IMAGENET_STD
from histoscribe.errors import Problem

_Colour = tuple[float, float, float]


@final
class NormalisedTiles(nn.Module):
    """Tiles minus a mean of each channel, divided by its deviation, e.g. over the training tiles.

    Tiles, means and deviations are 0-255; tiles are bytes or, for gradients, floats. A channel
    without deviation is centred only. Mean and deviation are buffers, so they are saved with the
    network.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: _Colour, scale: _Colour) -> None:
        super().__init__()
        divisor = [value if np.float32(value) > 0 else 1.0 for value in scale]
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(3, 1, 1))
        self.register_buffer("scale", torch.tensor(divisor, dtype=torch.float32).view(3, 1, 1))

    @classmethod
    def imagenet(cls) -> "NormalisedTiles":
        """By the mean and deviation of ImageNet's colours."""
        (red, green, blue), scale = IMAGENET_MEAN, IMAGENET_STD
        return cls(
            (255 * red, 255 * green, 255 * blue), (255 * scale[0], 255 * scale[1], 255 * scale[2])
        )

    def forward(
        self, image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"]
    ) -> Float[Tensor, "B 3 P P"]:
        """Normalise tiles, in float32 also under autocast."""
        return (image.float() - self.mean) / self.scale


def resized(
    image: UInt8[Tensor, "B 3 P P"] | Float[Tensor, "B 3 P P"], side_px: int
) -> UInt8[Tensor, "B 3 S S"] | Float[Tensor, "B 3 S S"]:
    """Resize tiles to this side, bilinear, in float32; tiles of this side stay unchanged."""
    if image.shape[-1] == side_px:
        return image
    size = (side_px, side_px)
    return functional.interpolate(image.float(), size=size, mode="bilinear", antialias=True)


def patch_problem(model: str, patch_px: int, tile_px: int) -> Problem | None:
    """Problem of a tile that is not a whole number of patches wide; None without a problem."""
    if tile_px and tile_px % patch_px == 0:
        return None
    below = tile_px // patch_px * patch_px
    sides = " or ".join(str(side) for side in (below, below + patch_px) if side)
    return Problem(
        where=f"model {model}",
        found=f"tiles of {tile_px} px, patches of {patch_px} px",
        expected="a tile side that is a multiple of the patch side",
        remedy=f"set inputs.tile_px to {sides}, or another `patch_px`",
    )
