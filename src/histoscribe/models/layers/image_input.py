"""Shared input of image networks: normalised tiles, cut into patches."""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.errors import Problem
from histoscribe.models.base import Facts


@final
class NormalisedTiles(nn.Module):
    """Tiles minus the channel means of the training tiles, divided by their deviations.

    Tiles are 0-255, as bytes or, for gradients, as floats. A channel that is constant over the
    training tiles is centred only. Mean and deviation are buffers, so they are saved with the
    network.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, facts: Facts) -> None:
        super().__init__()
        scale = torch.tensor(facts.image_scale, dtype=torch.float32)
        mean = torch.tensor(facts.image_mean, dtype=torch.float32)
        self.register_buffer("mean", mean.view(3, 1, 1))
        self.register_buffer("scale", torch.where(scale > 0, scale, 1.0).view(3, 1, 1))

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
