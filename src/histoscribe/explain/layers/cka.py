"""Linear centred kernel alignment (CKA): how alike two layers arrange the same tiles.

Kornblith et al. 2019, arXiv:1905.00414, with the unbiased estimate of HSIC over batches of
Nguyen et al. 2021, arXiv:2010.15327, section 3: HSIC is averaged over batches before it is divided.
"""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int

FEWEST_TILES = 4
"""Tiles in a batch; with fewer the unbiased estimate is undefined."""


def centred_likeness(activation: Float[np.ndarray, "n C"]) -> Float[np.ndarray, "n n"]:
    """Products of all pairs of tiles, centred without bias, with a diagonal of zeros.

    The sum of products of two such matrices over n (n - 3) is the HSIC_1 of Song et al. 2012
    (equation 3 of Nguyen et al.). Raises ValueError for fewer than four tiles.
    """
    n = len(activation)
    if n < FEWEST_TILES:
        raise ValueError(f"{n} tiles: HSIC needs at least {FEWEST_TILES}")
    centred = activation - activation.mean(axis=0)  # changes nothing, and saves digits
    k = centred @ centred.T
    np.fill_diagonal(k, 0.0)
    rows = k.sum(axis=0) / (n - 2)
    k += k.sum() / ((n - 1) * (n - 2)) - rows[:, None] - rows
    np.fill_diagonal(k, 0.0)
    return k


def hsic(likeness: Sequence[Float[np.ndarray, "n n"]]) -> Float[np.ndarray, "L L"]:
    """Unbiased HSIC of every pair of layers in one batch, from their `centred_likeness`."""
    n = len(likeness[0])
    flat = np.stack([k.ravel() for k in likeness])
    return flat @ flat.T / (n * (n - 3))


def permuted_hsic(likeness: Float[np.ndarray, "n n"], order: Int[np.ndarray, " n"]) -> float:
    """Unbiased HSIC of a layer with itself, the tiles once in another order."""
    n = len(likeness)
    return float((likeness * likeness[np.ix_(order, order)]).sum() / (n * (n - 3)))


def alignment(
    products: Float[np.ndarray, "L M"],
    first: Float[np.ndarray, " L"],
    second: Float[np.ndarray, " M"],
) -> Float[np.ndarray, "L M"]:
    """CKA from HSIC of pairs of layers and of each layer with itself, averaged over batches.

    About -0.1 to 1: the estimate is unbiased, so unlike layers lie around 0. NaN where a layer is
    the same for all tiles.
    """
    size = first[:, None] * second[None, :]
    defined = (first[:, None] > 0) & (second[None, :] > 0)
    return np.where(defined, products / np.sqrt(np.where(defined, size, 1.0)), np.nan)


def linear_cka(
    batches: Iterable[tuple[Float[np.ndarray, "_ C"], Float[np.ndarray, "_ D"]]],
) -> float:
    """CKA of two layers over batches of the same tiles; a single batch gives the full formula."""
    means = np.mean(
        [hsic([centred_likeness(one), centred_likeness(other)]) for one, other in batches], axis=0
    )
    return float(alignment(means[:1, 1:], means[:1, 0], means[1:, 1])[0, 0])
