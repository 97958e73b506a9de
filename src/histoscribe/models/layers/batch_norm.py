"""Batch normalisation that also accepts the last, small batch of an epoch."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@final
class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that accepts a batch with one value per channel.

    One value has no deviation, and torch refuses it. This happens: the last spot of an epoch, alone
    in its batch, on a map of one position. It is normalised by the running mean and deviation, as
    in prediction, and does not change them.
    """

    def forward(self, x: Float[Tensor, "B C H W"]) -> Float[Tensor, "B C H W"]:
        """Normalise each channel over batch and map; in prediction, by the running statistics."""
        if x.numel() > x.shape[1]:
            return super().forward(x)
        return functional.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )
