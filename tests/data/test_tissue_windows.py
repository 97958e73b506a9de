"""Windows to train an encoder on: anywhere on tissue, nowhere else, the same every time."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.data.images import stored_tiles
from histoscribe.data.tiles import Tiles
from histoscribe.data.tissue_windows import windows_on_tissue
from histoscribe.errors import DataContractError

TILES = Tiles(32, 2.0)
NONE = np.empty(0, dtype=np.int64)


@pytest.fixture
def section(draw_tissue, make_section):
    return make_section(draw_tissue()[0], n_across=4)


def drawn(section, *, train=None, test=NONE, **given):
    rows = np.arange(len(section.spots)) if train is None else train
    asked = {"n_windows": 500, "seed": 0, **given}
    return windows_on_tissue(section, TILES, train=rows, test=test, **asked)


def test_windows_lie_on_tissue_between_the_spots(section):
    xy = drawn(section).spots.xy
    assert (np.hypot(*(xy - 500).T) < 315).all()  # px; the edge of a mask is right to about 20 um
    gaps = np.linalg.norm(xy[:, None] - section.spots.xy, axis=-1).min(axis=1)
    assert np.median(gaps) > 50  # px; a spot is 55 um wide: 28 px


def test_the_whole_tissue_is_equally_likely(section):
    xy = drawn(section, n_windows=8000).spots.xy - 500
    share = (np.hypot(*xy.T) < 150).mean()  # of a disc of radius 300 px: a quarter
    assert share == pytest.approx(0.25, abs=0.03)


def test_one_seed_draws_the_same_and_another_section_or_seed_draws_others(section):
    first = drawn(section).spots.xy
    assert np.array_equal(first, drawn(section).spots.xy)
    assert not np.array_equal(first, drawn(section, seed=1).spots.xy)
    assert not np.array_equal(first, drawn(replace(section, id="two")).spots.xy)


def test_tissue_nearer_to_a_test_spot_is_left_out(section):
    left = section.spots.xy[:, 0] < 500
    train, test = np.flatnonzero(left), np.flatnonzero(~left)
    xy = drawn(section, train=train, test=test).spots.xy
    assert (xy[:, 0] < 500 + 8).all()  # a mask px is 4 px wide
    assert (drawn(section, train=train).spots.xy[:, 0] > 500).mean() > 0.4


def test_windows_are_stored_and_read_like_tiles(section, tmp_path):
    of = drawn(section, n_windows=20)
    pixels = stored_tiles(of, TILES, cache=tmp_path)
    look = TILES.slide_look(section.slide)
    for row, (x, y) in enumerate(of.spots.xy):
        assert np.array_equal(pixels[row], TILES.read(section.slide, look, (x, y)))


def test_a_section_without_enough_tissue_says_so(make_section):
    blank = make_section(np.full((400, 400, 3), 250, dtype=np.uint8))
    with pytest.raises(DataContractError, match=r"section one[\s\S]*0 mm2 of tissue[\s\S]*0.0041"):
        drawn(blank)
