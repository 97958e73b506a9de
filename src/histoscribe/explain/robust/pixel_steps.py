"""Small changes of pixels: along the gradient of the prediction, and at random.

Projected gradient ascent within a largest change of every pixel, from a random start (Madry et al.
2018, arXiv 1706.06083). What rises is the squared change of the predicted genes.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, UInt8
from torch import Tensor

from histoscribe.explain.where.gradients import GenesOfPixels

N_ASCENTS = 10
"""Steps of the ascent; together they reach 2.5 times the largest change."""
_REACH = 2.5


def along_gradient(
    genes: GenesOfPixels,
    image: UInt8[Tensor, "B 3 P P"],
    deviation: Float[np.ndarray, " K"],
    size: int,
    draws: np.random.Generator,
) -> UInt8[Tensor, "B 3 P P"]:
    """Tiles whose pixels were moved so that their predictions change most.

    Parameters
    ----------
    genes
        Prediction of K genes from each tile.
    deviation
        Deviation of each predicted gene over spots, so that all genes count alike.
    size
        Largest change of a pixel, grey levels.
    draws
        Draws the random start.

    Returns
    -------
    Tiles of whole grey levels in 0-255, each pixel within `size` of before. Pixels that are pure
    white stay white.
    """
    before, may_move = image.float(), _not_white(image)
    scale = torch.from_numpy(deviation.astype(np.float32)).to(image.device)
    with torch.no_grad():
        start = genes(before)
    moved = before + _signs(image, size, draws) * may_move
    for _ in range(N_ASCENTS):
        moved = _within(moved, before, size).requires_grad_()
        rise = ((genes(moved) - start) / scale).square().sum()
        (slope,) = torch.autograd.grad(rise, moved)
        moved = moved.detach() + _REACH * size / N_ASCENTS * slope.sign() * may_move
    return _within(moved, before, size).round().to(torch.uint8)


def at_random(
    image: UInt8[Tensor, "B 3 P P"], size: int, draws: np.random.Generator
) -> UInt8[Tensor, "B 3 P P"]:
    """Tiles whose pixels were moved by `size` grey levels up or down at random, within 0-255.

    Pixels that are pure white stay white.
    """
    before = image.float()
    moved = before + _signs(image, size, draws) * _not_white(image)
    return moved.clamp(0, 255).to(torch.uint8)


def has_pixel_gradient(genes: GenesOfPixels, image: UInt8[Tensor, "B 3 P P"]) -> bool:
    """Whether the prediction has a gradient to these pixels, even if it is zero."""
    pixels = image.float().requires_grad_()
    values = genes(pixels)
    if not values.requires_grad:
        return False
    (slope,) = torch.autograd.grad(values.sum(), pixels, allow_unused=True)
    return slope is not None


def _within(
    moved: Float[Tensor, "B 3 P P"], before: Float[Tensor, "B 3 P P"], size: int
) -> Float[Tensor, "B 3 P P"]:
    return torch.clamp(moved, before - size, before + size).clamp(0, 255)


def _not_white(image: UInt8[Tensor, "B 3 P P"]) -> Bool[Tensor, "B 1 P P"]:
    return (image != 255).any(dim=1, keepdim=True)


def _signs(
    image: UInt8[Tensor, "B 3 P P"], size: int, draws: np.random.Generator
) -> Float[Tensor, "B 3 P P"]:
    signs = 2.0 * draws.integers(2, size=tuple(image.shape), dtype=np.int8) - 1.0
    return torch.from_numpy((size * signs).astype(np.float32)).to(image.device)
