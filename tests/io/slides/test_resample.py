"""Every output pixel is the mean over the area that it covers."""

from itertools import pairwise

import numpy as np
import pytest

from histoscribe.io.slides.resample import Box, shrink

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 700, 3)).astype(np.uint8)


def covered(first, last, n_px):
    """Share of each px between two edges, as part of the whole."""
    edge = np.arange(n_px)
    share = np.minimum(last, edge + 1) - np.maximum(first, edge)
    return share.clip(0) / (last - first)


@pytest.mark.parametrize("size", [(700, 40), (689, 29), (350, 20), (41, 7), (3, 1)])
def test_a_px_is_the_mean_over_its_area(size):
    box = Box(1.25, 0.5, 698.0, 39.75)
    small = shrink(lambda left, top, right, bottom: PIXELS[top:bottom, left:right], box, *size)
    x = np.linspace(box.left, box.right, size[0] + 1)
    y = np.linspace(box.top, box.bottom, size[1] + 1)
    across = np.array([covered(*edges, 700) for edges in pairwise(x)])
    down = np.array([covered(*edges, 40) for edges in pairwise(y)])
    mean = np.einsum("hy,yxc,wx->hwc", down, PIXELS, across, optimize=True)
    assert small.shape == mean.shape
    assert np.abs(small - mean).max() <= 0.5 + 1e-9
