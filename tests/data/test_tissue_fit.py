"""Positions with an axis exchanged or mirrored are told by the outline of the tissue."""

import numpy as np
import pytest

from histoscribe.data.tissue import TissueMask, tissue_mask
from histoscribe.data.tissue_fit import GAIN, tissue_fit
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides.array import ArraySlide

WIDTH, HEIGHT = 400, 300
SLIDE = ArraySlide("slide", np.zeros((HEIGHT, WIDTH, 3), dtype=np.uint8), 1.0)
CORNER = np.zeros((30, 40), dtype=bool)
CORNER[2:12, 4:28] = True
MASK = TissueMask(CORNER, (10.0, 10.0), 1.0)
ROWS, COLUMNS = np.nonzero(CORNER)
XY = np.stack([COLUMNS * 10.0 + 5, ROWS * 10.0 + 5], axis=1)


REAL = ("her2st", "mob-st2k", "visium-mouse-muscle", "visium-mouse-colon")


@pytest.mark.parametrize(
    ("other_reading", "xy"),
    [
        ("x and y exchanged", XY[:, ::-1]),
        ("y counted from below", np.stack([XY[:, 0], HEIGHT - XY[:, 1]], axis=1)),
        ("x counted from the right", np.stack([WIDTH - XY[:, 0], XY[:, 1]], axis=1)),
    ],
)
def test_the_reading_that_puts_the_spots_on_tissue_is_named(other_reading, xy):
    fit = tissue_fit(xy, SLIDE, MASK)
    assert fit.is_doubtful
    assert fit.share < 0.7
    assert f"with {other_reading}, 100 % of the spots" in fit.words


def test_spots_on_tissue_are_not_doubted():
    assert not tissue_fit(XY, SLIDE, MASK).is_doubtful


def test_tissue_everywhere_shows_no_order_of_axes():
    everywhere = TissueMask(np.ones_like(CORNER), (10.0, 10.0), 1.0)
    assert not tissue_fit(XY[:, ::-1], SLIDE, everywhere).is_doubtful


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    "name", ["her2st", "mob-st2k", "visium-mouse-muscle", "visium-mouse-colon"]
)
def test_in_real_sections_no_other_reading_comes_near(real_data, name):
    del real_data
    for section in read_cohort(f"catalog:{name}"):
        fit = tissue_fit(section.spots.xy, section.slide, tissue_mask(section.slide))
        assert fit.share >= fit.other_share + GAIN, (section.id, fit)
