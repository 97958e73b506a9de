"""F of the extractor: judges whether a window looks real; used in training only.

The residual discriminator of StyleGAN2 (arXiv:1912.04958, figure 7). It gets the deviation within a
group of windows as one more map (Karras et al. 2018, arXiv:1710.10196, section 3), which reveals
windows that are all alike.
"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.encoders.egn_extractor.layers import (
    COARSEST_PX,
    EqualConv,
    EqualLinear,
    ResidualTrunk,
    StyleConfig,
    rectified,
)

_GROUP = 4
_EPS = 1e-8


@final
class StyleDiscriminator(nn.Module):
    """Residual convolutions down to 4 x 4, the deviation of the group, then two linear layers."""

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        n_channels = config.channels(COARSEST_PX)
        self.trunk = ResidualTrunk(config)
        self.last = EqualConv(n_channels + 1, n_channels, 3)
        self.hidden = EqualLinear(n_channels * COARSEST_PX**2, n_channels)
        self.score = EqualLinear(n_channels, 1)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, " B"]:
        """Scores of windows in -1..1; above 0 for windows judged real."""
        maps = with_deviation(self.trunk(image))
        return self.score(rectified(self.hidden(rectified(self.last(maps)).flatten(1))))[:, 0]


def with_deviation(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C_and_1 H W"]:
    """Add a map of the variation within each group of windows.

    It is the standard deviation of each value over the group, averaged over values. A group is of
    4 windows, or as many as divide the batch: every (B / group)-th window of the batch.
    """
    n_images, _, h, w = maps.shape
    group = next(size for size in range(min(_GROUP, n_images), 0, -1) if n_images % size == 0)
    grouped = maps.unflatten(0, (group, n_images // group))
    deviation = (grouped.var(dim=0, correction=0) + _EPS).sqrt().mean(dim=(1, 2, 3))
    extra = deviation.repeat(group)[:, None, None, None].expand(-1, 1, h, w)
    return torch.cat([maps, extra], dim=1)
