"""Layers that the extractor's three nets share, as in StyleGAN2 (Karras et al. 2020).

Weights are drawn from N(0, 1) and scaled by 1 / sqrt(fan in) at every use, not once at the start:
with Adam every layer then learns at the same rate (equalised learning rate, Karras et al. 2018,
arXiv:1710.10196, section 4.1).
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

CODE_WIDTH = 512
"""Width of a style code, as in the paper."""
N_DIRECTIONS = 128
"""Directions of a code that windows are compared by: smaller ones are mostly noise."""
COARSEST_PX = 4
"""Side of the smallest map: the encoder ends and the generator begins with it."""
Code = Literal["style", "pooled"]
"""What windows are compared by: the published code, or E's maps at every scale."""
WINDOWS_PX = (64, 128, 256)

_SLOPE = 0.2
_MOST = 8  # times its first channels has E at most


@dataclass(frozen=True, kw_only=True)
class StyleConfig:
    """Sizes of the three nets; the defaults are the published widths."""

    window_px: int = 256
    """Side of a window: 64, 128 or 256 px."""
    width: int = 512
    """Channels of the coarse maps."""
    full_width_px: int = 32
    """Side of the finest map with all channels; each doubling after it halves them."""
    encoder_channels: int = 64
    """Channels of E at the full side; each of three halvings doubles them."""
    head_layers: int = 4
    """Linear layers of E's heads, one head for each scale."""
    mapping_layers: int = 5
    """Linear layers of E between the mean of the heads and the code."""
    linear_rate: float = 0.01
    """Learning rate of E's linear layers as a share of the other layers'."""
    code: Code = "style"
    """What windows are compared by: the code that G reads, or the maps it is made of."""

    def __post_init__(self) -> None:
        if self.window_px not in WINDOWS_PX:
            raise ValueError(f"a window of {self.window_px} px; choose from {WINDOWS_PX}")
        if self.channels(self.window_px) < 1:
            raise ValueError(
                f"{self.width} channels, halved from {self.full_width_px} px on, leave no channel "
                f"at {self.window_px} px"
            )

    def channels(self, side_px: int) -> int:
        """Number of channels of a map of this side, in G and F."""
        return min(self.width, self.width * self.full_width_px // side_px)

    @property
    def encoder_widths(self) -> tuple[int, ...]:
        """Number of channels of E's maps, from the window to the coarsest."""
        doubled = (self.encoder_channels << step for step in range(len(self.sides)))
        return tuple(min(_MOST * self.encoder_channels, n) for n in doubled)

    @property
    def n_read(self) -> int:
        """Numbers that are read from E.

        `pooled`: mean and deviation of each channel, and the correlations at the finest scale.
        """
        widths = self.encoder_widths[1:]
        n_pairs = widths[0] * (widths[0] - 1) // 2
        return CODE_WIDTH if self.code == "style" else 2 * sum(widths) + n_pairs

    @property
    def feature_width(self) -> int:
        """Width of E's features: the directions of these numbers that are kept."""
        return min(self.n_read, N_DIRECTIONS)

    @property
    def sides(self) -> tuple[int, ...]:
        """Sides of the maps in px, from the coarsest to the window."""
        doublings = (self.window_px // COARSEST_PX).bit_length()
        return tuple(COARSEST_PX << step for step in range(doublings))


@final
class EqualLinear(nn.Module):
    """A linear layer at the equalised learning rate, times `rate`."""

    def __init__(self, n_in: int, n_out: int, *, bias: float = 0.0, rate: float = 1.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in) / rate)
        self.bias = nn.Parameter(torch.full((n_out,), bias / rate))
        self._scale, self._rate = n_in**-0.5 * rate, rate

    def forward(self, values: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Apply the layer to each row."""
        # the values are fewer than the weights: scaling them is the same, and faster
        return functional.linear(values * self._scale, self.weight, self.bias * self._rate)


@final
class RectifiedLayers(nn.Module):
    """Linear layers, each followed by the rectifier; all but the first keep the width."""

    def __init__(self, n_in: int, n_out: int, n_layers: int, *, rate: float) -> None:
        super().__init__()
        widths = [n_in, *[n_out] * n_layers]
        self.layers = nn.ModuleList(
            EqualLinear(*pair, rate=rate) for pair in itertools.pairwise(widths)
        )

    def forward(self, values: Float[Tensor, "B I"]) -> Float[Tensor, "B O"]:
        """Apply the layers to each row."""
        for layer in self.layers:
            values = rectified(layer(values))
        return values


@final
class EqualConv(nn.Module):
    """A convolution at the equalised learning rate that keeps the side of the map."""

    def __init__(self, n_in: int, n_out: int, kernel_px: int, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(n_out, n_in, kernel_px, kernel_px))
        self.bias = nn.Parameter(torch.zeros(n_out)) if bias else None
        self._scale = (n_in * kernel_px**2) ** -0.5
        self._padding = kernel_px // 2

    def forward(self, maps: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O H W"]:
        """Convolve."""
        return functional.conv2d(maps, self.weight * self._scale, self.bias, padding=self._padding)


@final
class ResidualBlock(nn.Module):
    """Two convolutions and a shortcut; with `halving` the side of the map is halved."""

    def __init__(self, n_in: int, n_out: int, *, halving: bool) -> None:
        super().__init__()
        self.first = EqualConv(n_in, n_in, 3)
        self.second = EqualConv(n_in, n_out, 3)
        self.shortcut = EqualConv(n_in, n_out, 1, bias=False)
        self._halving = halving

    def forward(self, maps: Float[Tensor, "B I H W"]) -> Float[Tensor, "B O h w"]:
        """Convolve; the sum of two independent parts is scaled back to unit variance."""
        changed = rectified(self.first(maps))
        if self._halving:
            changed, maps = halve(changed), halve(maps)
        return (rectified(self.second(changed)) + self.shortcut(maps)) * 2**-0.5


def channels_last(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
    """Maps in the layout that halves the time of convolutions with few channels on a CPU."""
    return maps.contiguous(memory_format=torch.channels_last)


def rectified(values: Tensor) -> Tensor:
    """Leaky rectifier, times sqrt(2) so that the variance stays about the same."""
    return functional.leaky_relu(values, _SLOPE) * 2**0.5


def halve(maps: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C h w"]:
    """Every second px of the maps, blurred by (1, 3, 3, 1) / 8 along both axes; 0 outside."""
    kernel = _blur(maps.dtype, maps.device).expand(maps.shape[1], 1, 4, 4)
    return functional.conv2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])


def double(maps: Float[Tensor, "B C h w"]) -> Float[Tensor, "B C H W"]:
    """Zeros between the px, blurred by (1, 3, 3, 1) / 4 along both axes; 0 outside.

    Away from the edge the same as bilinear interpolation, whose gradient in torch is not
    deterministic on a GPU.
    """
    kernel = (4 * _blur(maps.dtype, maps.device)).expand(maps.shape[1], 1, 4, 4)
    return functional.conv_transpose2d(maps, kernel, stride=2, padding=1, groups=maps.shape[1])


@lru_cache(maxsize=8)
def _blur(dtype: torch.dtype, device: torch.device) -> Float[Tensor, "4 4"]:
    """Kernel of (1, 3, 3, 1) / 8 along both axes.

    Made once for a device: a step of training blurs 60 times, and each copy from the processor
    would let a GPU wait.
    """
    with torch.inference_mode(mode=False):  # it serves gradients later, too
        line = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=dtype, device=device) / 8
        return torch.outer(line, line)
