"""Prediction on a grid of 8 um: each pixel is read once, and no value changes by a bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data import tiles
from histoscribe.predict.blocks import predicted_blocks
from histoscribe.predict.plan import SlideRequest, make_plan, open_request
from histoscribe.predictor.saving import load_predictor
from tests.io.slides.counted import CountedSlide
from tests.predict.conftest import MPP

N_PLACES = 128


@pytest.mark.parametrize("n_threads", [1, 3])
def test_a_fine_grid_reads_each_pixel_once_and_predicts_the_same(
    predictor_folder, slide_file, monkeypatch, n_threads
):
    loaded = load_predictor(predictor_folder)
    request = SlideRequest(path=slide_file, spacing_um=8.0, mpp=MPP)
    slide = open_request(request, loaded.encoding.tiles)
    plan = make_plan(request, slide, loaded.encoding.tiles)
    grid = plan.grid.take(np.arange(len(plan.grid)) < N_PLACES)
    counted = CountedSlide(slide.region(0, 0, slide.width, slide.height), MPP)
    section = replace(plan.section, slide=counted, spots=grid.spots)
    plan = replace(plan, grid=grid, section=section)
    chunks = [slice(0, 64), slice(64, N_PLACES)]
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        once = list(predicted_blocks(loaded, plan, chunks, keep_unlike=True))
        assert counted.n_reads.max() == 1
        side_px = loaded.encoding.tiles.side_px
        near = np.zeros_like(counted.n_reads, dtype=bool)
        for x, y in np.rint(grid.spots.xy - side_px / 2).astype(int):
            near[max(y, 0) : y + side_px, max(x, 0) : x + side_px] = True
        assert counted.n_reads[near].all()
        monkeypatch.setattr(tiles, "_LEAST_OVERLAP", np.inf)
        each = list(predicted_blocks(loaded, plan, chunks, keep_unlike=True))
    finally:
        torch.set_num_threads(before)
    assert counted.n_reads.max() > 20
    for one, other in zip(once, each, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        for name, column in one.spot_columns.items():
            np.testing.assert_array_equal(column, other.spot_columns[name])
