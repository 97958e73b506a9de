"""Pearson correlation as a loss, alone or added to the squared error."""

import torch
from jaxtyping import Bool, Float, Int
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
    lost, n_genes = _lost(predicted, measured, present)
    return lost / n_genes.clamp(min=1)


def spots_pcc_loss(
    predicted: Float[Tensor, "*B G"],
    measured: Float[Tensor, "*B G"],
    present: Bool[Tensor, "B K"] | None = None,
) -> Float[Tensor, ""]:
    """The correlation loss over the spots of each section; the mean is over sections and genes.

    [B, K, G] are the spots of B sections. Sections with one spot have no correlation: these
    spots are taken together, as one section. Predictions [B, G] are correlated over the batch.
    """
    if predicted.ndim == 2:
        return pcc_loss(predicted, measured)
    if present is None:
        present = torch.ones(predicted.shape[:2], dtype=torch.bool, device=predicted.device)
    single = present.sum(dim=1) == 1
    lost, n_genes = _lost(predicted[~single], measured[~single], present[~single])
    if single.any():
        used = present & single[:, None]
        more, n_more = _lost(predicted[used], measured[used], None)
        lost, n_genes = lost + more, n_genes + n_more
    return lost / n_genes.clamp(min=1)


def mse_loss(
    predicted: Float[Tensor, "*B G"],
    measured: Float[Tensor, "*B G"],
    present: Bool[Tensor, "B K"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error over present spots and genes, in float32 also under autocast."""
    if present is not None:
        predicted, measured = predicted[present], measured[present]
    return functional.mse_loss(predicted.float(), measured.float())


def mse_and_pcc_loss(
    predicted: Float[Tensor, "*B G"],
    measured: Float[Tensor, "*B G"],
    pcc_weight: float,
    present: Bool[Tensor, "B K"] | None = None,
) -> Float[Tensor, ""]:
    """Mean squared error plus `pcc_weight` times the correlation loss over spots.

    Yang et al., WACV 2023 (arXiv:2210.16721); their released code uses a weight of 0.5.
    """
    squared = mse_loss(predicted, measured, present)
    return squared + pcc_weight * spots_pcc_loss(predicted, measured, present)


def _lost(
    predicted: Float[Tensor, "*B N G"],
    measured: Float[Tensor, "*B N G"],
    present: Bool[Tensor, "*B N"] | None,
) -> tuple[Float[Tensor, ""], Int[Tensor, ""]]:
    """Sum of one minus the correlation, and the number of correlations in it."""
    x, y = predicted.float(), measured.float()
    used = torch.isfinite(y)
    if present is not None:
        used = used & present[..., None]
    varies = _spread(y, used) > 0
    y = _centred(y, used)
    x = _centred(x, used)
    r = (x * y).sum(-2) / ((x.square().sum(-2) + EPS).sqrt() * (y.square().sum(-2) + EPS).sqrt())
    return torch.where(varies, 1 - r, 0.0).sum(), varies.sum()


def _centred(values: Float[Tensor, "*B N G"], used: Bool[Tensor, "*B N G"]) -> Tensor:
    """Values minus their mean over used entries; unused entries are zero and have no gradient."""
    values = torch.where(used, values, 0.0)
    mean = values.sum(-2, keepdim=True) / used.sum(-2, keepdim=True).clamp(min=1)
    return torch.where(used, values - mean, 0.0)


def _spread(values: Float[Tensor, "*B N G"], used: Bool[Tensor, "*B N G"]) -> Tensor:
    """Largest minus smallest used value: exactly zero for a constant, unlike a variance."""
    high = torch.where(used, values, -torch.inf).amax(-2)
    return high - torch.where(used, values, torch.inf).amin(-2)
