"""F of the extractor: judges whether a window looks real; used in training only.

The residual discriminator of StyleGAN2 (arXiv:1912.04958, figure 7) as S2FGAN uses it (Yang et al.,
WACV 2022): without the deviation within a batch, and without a convolution after the last halving.
"""

import itertools
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.encoders.egn_extractor.layers import (
    COARSEST_PX,
    EqualConv,
    EqualLinear,
    ResidualBlock,
    StyleConfig,
    channels_last,
    rectified,
)


@final
class StyleDiscriminator(nn.Module):
    """Residual convolutions down to 4 x 4, then two linear layers."""

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        widths = [config.channels(side) for side in reversed(config.sides)]
        self.colour = EqualConv(3, widths[0], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(*pair, halving=True) for pair in itertools.pairwise(widths))
        )
        self.hidden = EqualLinear(widths[-1] * COARSEST_PX**2, widths[-1])
        self.score = EqualLinear(widths[-1], 1)

    def forward(self, image: Float[Tensor, "B 3 P P"]) -> Float[Tensor, " B"]:
        """Scores of windows in -1..1; above 0 for windows judged real."""
        maps = self.blocks(rectified(self.colour(channels_last(image))))
        return self.score(rectified(self.hidden(maps.flatten(1))))[:, 0]
