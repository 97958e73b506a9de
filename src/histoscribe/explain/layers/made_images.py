"""Images that are made to excite targets, by steps along the gradient."""

from collections.abc import Callable, Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from histoscribe.explain.layers.fourier_image import FourierImages, TissueColours
from histoscribe.progress import track

RATE = 0.05
"""Learning rate of Adam, in deviations of a wave."""
_AT_ONCE = 16
ImageScores = Callable[[Float[Tensor, "n 3 P P"], slice], Float[Tensor, " n"]]
"""Images, and their place among all -> what each of them shall raise."""


def make_images(
    names: Sequence[str],
    scores: ImageScores,
    colours: TissueColours,
    tile_px: int,
    n_steps: int,
) -> UInt8[Tensor, "n 3 P P"]:
    """Make an image of each name, so that its score is high; a progress bar counts the steps.

    Each image depends on its own name and score only, but for rounding.
    """
    parts = []
    for start in range(0, len(names), _AT_ONCE):
        some = slice(start, min(start + _AT_ONCE, len(names)))
        images = FourierImages(names[some], tile_px, colours)
        adam = torch.optim.Adam([images.spectrum], lr=RATE)
        for step in track(range(n_steps), f"images {some.stop} of {len(names)}"):
            # one gradient of the sum is that of each image: none depends on another
            total = scores(images.view(step), some).sum()
            (slope,) = torch.autograd.grad(total, [images.spectrum])
            images.spectrum.grad = -slope
            adam.step()
        parts.append(images.tiles())
    return torch.cat(parts)
