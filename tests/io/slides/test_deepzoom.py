"""Tiles of a deep zoom fit together to the slide at each of its resolutions."""

import numpy as np
import pytest

from histoscribe.io.slides.array import ArraySlide
from histoscribe.io.slides.deepzoom import TILE_PX, DeepZoom


def slide_of(width: int, height: int) -> ArraySlide:
    rng = np.random.default_rng(0)
    return ArraySlide("S1", rng.integers(0, 255, (height, width, 3), dtype=np.uint8), 0.5)


def joined(zoom: DeepZoom, level: int) -> np.ndarray:
    """All tiles of a level as one picture."""
    width, height = zoom.size(level)
    columns, rows = -(-width // TILE_PX), -(-height // TILE_PX)
    lines = [
        np.concatenate([zoom.tile(level, column, row) for column in range(columns)], axis=1)
        for row in range(rows)
    ]
    return np.concatenate(lines)


def test_the_finest_level_is_the_slide_itself():
    zoom = DeepZoom(slide_of(700, 300))
    assert zoom.n_levels == 11
    np.testing.assert_array_equal(joined(zoom, 10), zoom.slide.pixels(0, 0, 700, 300))


@pytest.mark.parametrize("level", [9, 8])
def test_a_coarser_level_averages_the_area_of_each_px(level):
    zoom = DeepZoom(slide_of(700, 300))
    scale = 2 ** (10 - level)
    whole = zoom.slide.pixels(0, 0, 700 // scale * scale, 300 // scale * scale)
    blocks = whole.reshape(300 // scale, scale, 700 // scale, scale, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(joined(zoom, level), blocks, atol=0.5)


def test_the_coarsest_level_is_one_px_and_sizes_round_up():
    zoom = DeepZoom(slide_of(701, 300))
    assert [zoom.size(level) for level in (0, 9, 10)] == [(1, 1), (351, 150), (701, 300)]
    assert zoom.tile(0, 0, 0).shape == (1, 1, 3)


def test_coarse_levels_of_a_large_slide_are_cut_from_one_overview(monkeypatch):
    zoom, read = DeepZoom(slide_of(2500, 100)), []
    overview = zoom.slide.overview
    monkeypatch.setattr(zoom.slide, "overview", lambda mpp: read.append(mpp) or overview(mpp))
    coarse = joined(zoom, 11).astype(float)
    joined(zoom, 10)
    assert len(read) == 1
    blocks = zoom.slide.pixels(0, 0, 2500, 100).reshape(50, 2, 1250, 2, 3).mean(axis=(1, 3))
    wide = [picture.reshape(5, 10, 125, 10, 3).mean(axis=(1, 3)) for picture in (coarse, blocks)]
    np.testing.assert_allclose(*wide, atol=8)


@pytest.mark.parametrize("place", [(-1, 0, 0), (11, 0, 0), (10, 3, 0), (10, 0, 2), (10, -1, 0)])
def test_there_is_no_tile_outside(place):
    assert DeepZoom(slide_of(700, 300)).jpeg_tile(*place) is None


def test_a_tile_is_encoded_once():
    zoom = DeepZoom(slide_of(700, 300))
    assert zoom.jpeg_tile(10, 1, 0) is zoom.jpeg_tile(10, 1, 0)
