"""Positions with an axis exchanged or mirrored are told by the outline of the tissue."""

import numpy as np
import pytest

from histoscribe.data.tissue import TissueMask
from histoscribe.data.tissue_fit import tissue_fit
from histoscribe.io.slides.array import ArraySlide

WIDTH, HEIGHT = 400, 300
SLIDE = ArraySlide("slide", np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), 1.0)
CORNER = np.zeros((30, 40), dtype=bool)
CORNER[2:12, 4:28] = True
MASK = TissueMask(CORNER, (10.0, 10.0), 1.0)
ROWS, COLUMNS = np.nonzero(CORNER)
XY = np.stack([COLUMNS * 10.0 + 5, ROWS * 10.0 + 5], axis=1)


@pytest.mark.parametrize(
    ("told", "xy"),
    [
        ("", XY),
        ("x and y exchanged", XY[:, ::-1]),
        ("y counted from below", np.stack([XY[:, 0], HEIGHT - XY[:, 1]], axis=1)),
        ("x counted from the right", np.stack([WIDTH - XY[:, 0], XY[:, 1]], axis=1)),
    ],
)
def test_the_reading_that_puts_the_spots_on_tissue_is_named(told, xy):
    fit = tissue_fit(xy, SLIDE, MASK)
    assert fit.best == told
    assert fit.best_share == 1.0
    if told:
        assert fit.share < 0.7
        assert f"with {told}, 100 % of the spots" in fit.words


def test_tissue_everywhere_shows_no_order_of_axes():
    everywhere = TissueMask(np.ones_like(CORNER), (10.0, 10.0), 1.0)
    assert tissue_fit(XY[:, ::-1], SLIDE, everywhere).best == ""
