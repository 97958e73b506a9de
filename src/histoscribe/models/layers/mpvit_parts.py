"""The convolutions of MPViT: each followed by batch normalisation and a hard swish.

Lee et al. 2021, arXiv:2112.11010, section 3.
"""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.layers.batch_norm import BatchNorm


def convolution(width_in: int, width_out: int, *, side: int = 1, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the map size except for its stride, normalised, with hard swish."""
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, side, stride, padding=side // 2, bias=False),
        BatchNorm(width_out),
        nn.Hardswish(),
    )


def separable(width: int, *, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution as two: each channel by itself, then across channels."""
    return nn.Sequential(
        nn.Conv2d(width, width, 3, stride, padding=1, groups=width, bias=False),
        nn.Conv2d(width, width, 1, bias=False),
        BatchNorm(width),
        nn.Hardswish(),
    )


@final
class LocalFeatures(nn.Module):
    """The convolutional branch: 1x1, depthwise 3x3, 1x1, added to its input."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix = convolution(width, width)
        self.look = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False),
            BatchNorm(width),
            nn.Hardswish(),
        )
        self.project = nn.Sequential(nn.Conv2d(width, width, 1, bias=False), BatchNorm(width))

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Add features of each position's neighbourhood."""
        return x + self.project(self.look(self.mix(x)))
