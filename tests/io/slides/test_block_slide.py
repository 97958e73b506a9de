"""Pixels in blocks: those of the slide, and none read twice."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.slides import block_slide
from histoscribe.io.slides.block_slide import BLOCK_PX, BlockSlide
from tests.io.slides.counted import CountedSlide

SIDE = (1300, 900)


@pytest.fixture
def slide() -> CountedSlide:
    return CountedSlide.of_noise(SIDE, mpp=0.5)


def boxes(n, seed=0):
    rng = np.random.default_rng(seed)
    left = rng.integers(-200, SIDE[0], n)
    top = rng.integers(-200, SIDE[1], n)
    return np.stack([left, top, left + rng.integers(1, 400, n), top + rng.integers(1, 400, n)], 1)


def test_any_rectangle_has_the_pixels_of_the_slide(slide):
    blocks = BlockSlide(slide)
    for box in boxes(60).tolist():
        np.testing.assert_array_equal(blocks.region(*box), slide.region(*box))


@pytest.mark.parametrize("mpp", [0.5, 0.73, 1.0, 2.6])
def test_tiles_at_any_scale_are_equal_to_the_bit(slide, mpp):
    blocks = BlockSlide(slide)
    rng = np.random.default_rng(1)
    for x, y in rng.uniform(0, SIDE, (10, 2)):
        np.testing.assert_array_equal(
            blocks.read((x, y), 64, mpp), slide.read((x, y), 64, mpp), strict=True
        )


def test_threads_that_need_the_same_pixels_read_them_once(slide):
    blocks = BlockSlide(slide)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda box: blocks.region(*box), boxes(200).tolist()))
    assert slide.n_reads.max() == 1


def test_blocks_beyond_the_limit_are_dropped_and_read_again(slide, monkeypatch):
    monkeypatch.setattr(block_slide, "MOST_BLOCKS", 2)
    blocks = BlockSlide(slide)
    for column in (0, 1, 0, 2, 0, 1):
        blocks.region(column * BLOCK_PX, 0, column * BLOCK_PX + 1, 1)
    assert slide.n_reads[0, 0] == 1, "used last, so kept"
    assert slide.n_reads[0, BLOCK_PX] == 2


def test_damage_stops_only_the_rectangles_that_touch_it(slide):
    slide.damaged = (300, 300)
    blocks = BlockSlide(slide)
    np.testing.assert_array_equal(
        blocks.region(257, 257, 290, 290), slide.region(257, 257, 290, 290)
    )
    for _ in range(2):
        with pytest.raises(DataContractError, match="damaged"):
            blocks.region(280, 280, 310, 310)


def test_an_error_of_the_disk_reaches_every_reader(slide, monkeypatch):
    def fail(*box):
        raise OSError("the disk is gone")

    monkeypatch.setattr(slide, "level_pixels", fail)
    blocks = BlockSlide(slide)
    for _ in range(2):
        with pytest.raises(OSError, match="gone"):
            blocks.region(0, 0, 10, 10)


def test_facts_of_the_slide_are_kept(slide):
    slide.warnings = ("a warning",)
    blocks = BlockSlide(slide)
    assert (blocks.width, blocks.height, blocks.mpp) == (slide.width, slide.height, slide.mpp)
    assert blocks.warnings == slide.warnings
