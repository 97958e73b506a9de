"""Mean feature of the spots around each spot of a section."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree
from torch import Tensor

from histoscribe.ties import nearest_first

_SPARE = 7
"""Number of additional candidates, so that most ties end among them."""


def neighbour_mean(
    feature: Float[Tensor, "S D"], um: Float[Tensor, "S 2"], n: int, dropped: int = 0
) -> Float[Tensor, "S D"]:
    """Mean feature of the `n` nearest other spots, exact.

    On a lattice many spots are equally far. Those that tie for the last places share them equally,
    so neither the order of spots nor rounding changes the mean. A section with fewer other spots
    takes all of them; a lone spot gets zeros. With `dropped`, for training, up to that number of
    the neighbours of each spot, drawn at random, count as zeros.
    """
    n = min(n, len(feature) - 1)
    if n < 1:
        return torch.zeros_like(feature)
    rows, share = neighbour_shares(um.detach().cpu().double().numpy(), n)
    at = torch.from_numpy(rows).to(feature.device)
    weight = torch.from_numpy(share / n).to(feature)
    if dropped:
        weight = weight * _kept(weight > 0, dropped)
    mean = torch.zeros_like(feature)
    for column in range(rows.shape[1]):
        # one column at a time: all features of all neighbours would be many times the section
        mean = mean + weight[:, column, None] * feature[at[:, column]]
    return mean


def _kept(neighbour: Bool[Tensor, "S k"], dropped: int) -> Bool[Tensor, "S k"]:
    """False for 0 to `dropped` neighbours of each spot; every number is as likely."""
    draw = torch.rand(neighbour.shape, device=neighbour.device).masked_fill(~neighbour, torch.inf)
    number = torch.randint(dropped + 1, (len(draw), 1), device=draw.device)
    return draw.argsort(dim=1).argsort(dim=1) >= number


def neighbour_shares(
    um: Float[np.ndarray, "S 2"], n: int
) -> tuple[Int[np.ndarray, "S k"], Float[np.ndarray, "S k"]]:
    """Rows of the nearest other spots of each spot, and the share of each in `n` places.

    A share is 1 for the nearest spots, a part for spots that tie for the last places, else 0.
    """
    tree, length = cKDTree(um), np.linalg.norm(um, axis=1)
    n_kept = n + 1 + _SPARE
    while True:
        n_kept = min(n_kept, len(um))
        distance, rows = tree.query(um, n_kept)
        rows = rows.astype(np.int64)
        distance[rows == np.arange(len(um))[:, None]] = np.inf
        order, tie = nearest_first(distance, length[:, None] + length[rows], um.shape[1])
        last = tie[:, n - 1, None]
        # the last candidate is the spot itself, at infinity; the one before may tie further
        if n_kept == len(um) or (tie[:, -2, None] > last).all():
            break
        n_kept *= 2
    before, tied = (tie < last).sum(axis=1, keepdims=True), tie == last
    share = np.where(tied, (n - before) / tied.sum(axis=1, keepdims=True), tie < last)
    used = int((share > 0).sum(axis=1).max())
    return np.take_along_axis(rows, order, axis=1)[:, :used], share[:, :used]
