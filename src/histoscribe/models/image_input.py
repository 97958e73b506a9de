"""The first step of every network that sees pixels: tiles in units of the training tiles."""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from histoscribe.models.base import Facts


@final
class NormalisedTiles(nn.Module):
    """Each channel less its mean over the training tiles, divided by its standard deviation.

    Tiles are 0-255, as bytes or, where a gradient is asked for, as floats. A channel that is
    constant over the training tiles is centred only. Mean and deviation are buffers, so they
    are saved with the network that holds this.
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
