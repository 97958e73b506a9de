"""G of the extractor: reconstructs a window from its style code.

The synthesis net of StyleGAN2 (Karras et al. 2020, arXiv:1912.04958, section 2 and figure 7):
convolutions whose weights the code scales, and RGB images summed from coarse to fine. Every
generated window reconstructs a real one, which needs no randomness: the noise inputs of StyleGAN2
are left out, and so is its mapping net, because E gives the code.
"""

import itertools
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.encoders.egn_extractor.layers import (
    COARSEST_PX,
    CODE_WIDTH,
    EqualLinear,
    StyleConfig,
    channels_last,
    double,
    rectified,
)

_EPS = 1e-8


@final
class ModulatedConv(nn.Module):
    """A convolution whose input channels are scaled by the style code of each window.

    With `demodulated` the scaled weights of each output channel are normalised to unit length
    (equations 1 and 3). Scaling the maps before and after one shared convolution is equivalent, and
    needs no separate weights for each window.
    """

    def __init__(self, n_in: int, n_out: int, kernel_px: int, *, demodulated: bool) -> None:
        super().__init__()
        self.style = EqualLinear(CODE_WIDTH, n_in, bias=1.0)
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(n_out))
        self.demodulated = demodulated
        self._scale = (n_in * kernel_px**2) ** -0.5
        self._padding = kernel_px // 2

    def scales(
        self, code: Float[Tensor, "B D"]
    ) -> tuple[Float[Tensor, "B I"], Float[Tensor, "B O"]]:
        """Factors of the input and of the output channels."""
        into = self.style(code)
        if not self.demodulated:
            return into, into.new_ones(len(code), len(self.weight))
        squares = (self.weight * self._scale).square().sum(dim=(2, 3))
        return into, (into.square() @ squares.T + _EPS).rsqrt()

    def forward(
        self, maps: Float[Tensor, "B I H W"], code: Float[Tensor, "B D"]
    ) -> Float[Tensor, "B O H W"]:
        """Convolve with the weights scaled by the code."""
        into, out = self.scales(code)
        scaled = maps * into[:, :, None, None]
        made = functional.conv2d(scaled, self.weight * self._scale, padding=self._padding)
        return made * out[:, :, None, None] + self.bias[:, None, None]


@final
class StyleGenerator(nn.Module):
    """From a learned constant of 4 x 4 to a window, doubling the side step by step."""

    def __init__(self, config: StyleConfig) -> None:
        super().__init__()
        widths = [config.channels(side) for side in config.sides]
        self.constant = nn.Parameter(torch.randn(widths[0], COARSEST_PX, COARSEST_PX))
        self.first = ModulatedConv(widths[0], widths[0], 3, demodulated=True)
        self.doubling = nn.ModuleList(
            ModulatedConv(*pair, 3, demodulated=True) for pair in itertools.pairwise(widths)
        )
        self.keeping = nn.ModuleList(
            ModulatedConv(width, width, 3, demodulated=True) for width in widths[1:]
        )
        self.rgb = nn.ModuleList(ModulatedConv(width, 3, 1, demodulated=False) for width in widths)

    def forward(self, code: Float[Tensor, "B D"]) -> Float[Tensor, "B 3 P P"]:
        """Windows in about -1..1; values are not clipped."""
        maps = channels_last(self.constant.expand(len(code), -1, -1, -1))
        maps = rectified(self.first(maps, code))
        image = self.rgb[0](maps, code)
        for doubling, keeping, rgb in zip(self.doubling, self.keeping, self.rgb[1:], strict=True):
            maps = rectified(doubling(double(maps), code))
            maps = rectified(keeping(maps, code))
            image = double(image) + rgb(maps, code)
        return image
