"""Batch normalisation for whatever batch an epoch ends with."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@final
class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that takes a batch of one value a channel, too.

    One value has no deviation, and torch refuses it. It comes up: the last spot of an epoch, alone
    in its batch, on a map of one position. It is normalised by the running mean and deviation, as
    in prediction, and leaves them as they are.
    """

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise each channel over batch and map; in prediction, by what training kept."""
        if x.numel() > x.shape[1]:
            return super().forward(x)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
