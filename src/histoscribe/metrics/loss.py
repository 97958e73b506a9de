"""Pearson correlation as a loss, alone or added to the squared error."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

EPS = 1e-8


def pcc_loss(
    predicted: Float[Tensor, "*B N G"],
    measured: Float[Tensor, "*B N G"],
    present: Bool[Tensor, "*B N"] | None = None,
) -> Float[Tensor, ""]:
    """One minus the mean over genes of the Pearson correlation over N.

    r = sum(x y) / (sqrt(sum x^2 + eps) sqrt(sum y^2 + eps)) with x, y centred over N and eps 1e-8,
    in float32 also under autocast. Entries that are not `present` (padding) and genes that a
    section did not measure (NaN) are ignored. The mean is over genes whose measured values vary;
    without such a gene the loss and its gradient are 0.
    """
    x, y = predicted.float(), measured.float()
    used = torch.isfinite(y)
    if present is not None:
        used = used & present[..., None]
    varies = _spread(y, used) > 0
    y = _centred(y, used)
    x = _centred(x, used)
    r = (x * y).sum(-2) / ((x.square().sum(-2) + EPS).sqrt() * (y.square().sum(-2) + EPS).sqrt())
    n_genes = varies.sum()
    lost = torch.where(varies, 1 - r, 0.0).sum()
    return lost / n_genes.clamp(min=1)


def mse_and_pcc_loss(
    predicted: Float[Tensor, "B G"], measured: Float[Tensor, "B G"], pcc_weight: float
) -> Float[Tensor, ""]:
    """Mean squared error plus `pcc_weight` times the correlation loss over the batch.

    Yang et al., WACV 2023 (arXiv:2210.16721); their released code uses a weight of 0.5.
    """
    squared = functional.mse_loss(predicted.float(), measured)
    return squared + pcc_weight * pcc_loss(predicted, measured)


def _centred(values: Float[Tensor, "*B N G"], used: Bool[Tensor, "*B N G"]) -> Tensor:
    """Values minus their mean over used entries; unused entries are zero and have no gradient."""
    values = torch.where(used, values, 0.0)
    mean = values.sum(-2, keepdim=True) / used.sum(-2, keepdim=True).clamp(min=1)
    return torch.where(used, values - mean, 0.0)


def _spread(values: Float[Tensor, "*B N G"], used: Bool[Tensor, "*B N G"]) -> Tensor:
    """Largest minus smallest used value: exactly zero for a constant, unlike a variance."""
    high = torch.where(used, values, -torch.inf).amax(-2)
    return high - torch.where(used, values, torch.inf).amin(-2)
