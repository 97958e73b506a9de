"""The grid lies where the slide says, and takes what is tissue."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from histoscribe.data.grid import _shares, lay_grid
from histoscribe.data.tissue import TissueMask
from tests.data.fakes_for_data import FakeSlide


def slide_and_mask(inside, px_per_mask_px=16.0):
    """A slide of 2 um/px whose mask has these px."""
    slide = FakeSlide("grid")
    slide.height, slide.width = (int(px_per_mask_px * side) for side in inside.shape)
    return slide, TissueMask(inside, (px_per_mask_px, px_per_mask_px), slide.mpp)


def test_a_slide_of_tissue_is_covered_side_by_side():
    slide, mask = slide_and_mask(np.ones((10, 20), dtype=bool))  # 320 x 640 um
    grid = lay_grid(slide, mask, 100.0)
    assert (grid.row.max(), grid.column.max(), len(grid)) == (2, 5, 18), "a rest of 20 and 40 um"
    spots = grid.spots
    assert spots.xy[spots.ids.index("r2c5")].tolist() == [275.0, 125.0]
    assert (grid.tissue == 1).all()
    grid = lay_grid(slide, mask, 120.0)  # the third row and the sixth column hang over
    assert len(grid) == 3 * 5
    assert grid.tissue[grid.row == 2] == pytest.approx(80 / 120)


def test_a_centre_on_the_very_border_lies_on_the_slide():
    slide = FakeSlide("grid")
    slide.width, slide.height, slide.mpp = 53_150, 300, 0.9  # 1594.5 squares of 30 um
    mask = TissueMask(np.ones((4, 2657), dtype=bool), (53_150 / 2657, 75.0), slide.mpp)
    right = lay_grid(slide, mask, 30.0).spots.xy[:, 0].max()
    assert slide.width - 1.5 * 30.0 / slide.mpp < right <= slide.width


def test_half_a_square_of_tissue_belongs_and_less_does_not():
    inside = np.zeros((20, 20), dtype=bool)
    inside[:, :5] = True  # 160 um of tissue from the left
    slide, mask = slide_and_mask(inside)
    assert set(lay_grid(slide, mask, 320.0).column.tolist()) == {0}
    assert len(lay_grid(slide, mask, 321.0)) == 0


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.floats(20.0, 400.0), st.integers(0, 99))
def test_shares_are_what_counting_small_squares_says(height, width, spacing_px, seed):
    inside = np.random.default_rng(seed).random((height, width)) < 0.6
    slide, mask = slide_and_mask(inside)
    share = _shares(mask, spacing_px, (slide.width, slide.height))
    at = (np.arange(400) + 0.5) / 400 * spacing_px
    for row, column in {(0, 0), (share.shape[0] - 1, share.shape[1] - 1)} if share.size else set():
        y, x = np.meshgrid(row * spacing_px + at, column * spacing_px + at, indexing="ij")
        on_slide = (x < slide.width) & (y < slide.height)
        rows, columns = (
            np.minimum(v / 16, n - 1).astype(int) for v, n in ((y, height), (x, width))
        )
        assert share[row, column] == pytest.approx(
            (inside[rows, columns] & on_slide).mean(), abs=0.02
        )


def test_another_mask_moves_no_place():
    inside = np.random.default_rng(0).random((60, 60)) < 0.7
    slide, mask = slide_and_mask(inside)
    some = lay_grid(slide, mask, 70.0).spots
    every = lay_grid(slide, replace(mask, inside=np.ones_like(inside)), 70.0).spots
    at = dict(zip(every.ids, every.xy.tolist(), strict=True))
    assert 0 < len(some) < len(every)
    assert [at[id_] for id_ in some.ids] == some.xy.tolist()


def test_places_come_in_bands_from_left_to_right():
    slide, mask = slide_and_mask(np.ones((40, 40), dtype=bool))
    grid = lay_grid(slide, mask, 64.0)
    order = list(zip(grid.row // 4, grid.column, grid.row, strict=True))
    assert order == sorted(order)


def test_a_grid_finer_than_the_pixels_is_refused():
    with pytest.raises(ValueError, match="less than a px"):
        lay_grid(*slide_and_mask(np.ones((4, 4), dtype=bool)), 1.0)
