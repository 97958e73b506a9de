"""A reduced level is used only if it shows what the level above it shows."""

from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.ndimage import gaussian_filter

from histoscribe.io.slides.slide import open_whole_slide


def blobs(seed: int) -> np.ndarray:
    """Glass with tissue that varies over some tens of px."""
    noise = gaussian_filter(np.random.default_rng(seed).normal(size=(512, 640)), 6)
    picture = np.full((512, 640, 3), 240, dtype=np.uint8)
    inside = np.zeros((512, 640), dtype=bool)
    inside[60:460, 80:560] = True
    grey = (150 + 900 * noise).clip(60, 220)
    picture[inside] = (grey[inside, None] * np.array([1.0, 0.7, 0.95])).astype(np.uint8)
    return picture


IMAGE = blobs(1)
HALF = IMAGE.reshape(256, 2, 320, 2, 3).mean(axis=(1, 3)).astype(np.uint8)


def write(path: Path, *levels: np.ndarray) -> Path:
    with tifffile.TiffWriter(path) as file:
        for number, pixels in enumerate(levels):
            file.write(
                pixels,
                photometric="rgb",
                tile=(64, 64),
                compression="deflate",
                subfiletype=int(number > 0),
                metadata=None,
            )
    return path


@pytest.mark.parametrize(
    "level",
    [HALF, IMAGE[::2, ::2], (HALF * 0.95 + 10).astype(np.uint8), np.roll(HALF, 1, axis=1)],
    ids=["mean", "every second px", "brighter", "one px aside"],
)
def test_a_level_of_the_same_picture_is_used(level, tmp_path):
    slide = open_whole_slide(write(tmp_path / "a.tif", IMAGE, level), 0.25)
    assert (len(slide.levels), slide.warnings) == (2, ())


@pytest.mark.parametrize(
    "level",
    [
        blobs(2)[::2, ::2],
        np.full_like(HALF, 240),
        np.full_like(HALF, 255),
        np.zeros_like(HALF),
        np.roll(HALF, 12, axis=1),
        np.roll(HALF, 12, axis=0),
        HALF[:, ::-1],
        HALF[::-1],
        np.where(np.arange(320)[None, :, None] < 160, HALF, 240).astype(np.uint8),
    ],
    ids=["other", "glass", "white", "black", "right", "down", "mirrored", "upside down", "half"],
)
def test_a_level_of_something_else_is_not_used_and_told(level, tmp_path):
    slide = open_whole_slide(write(tmp_path / "a.tif", IMAGE, level), 0.25)
    assert len(slide.levels) == 1
    (warning,) = slide.warnings
    assert warning.startswith("A level of 320 x 256 px is not used")
    np.testing.assert_array_equal(slide.overview(0.5), HALF_BY_SHRINKING)


HALF_BY_SHRINKING = np.rint(IMAGE.reshape(256, 2, 320, 2, 3).sum(axis=(1, 3)) / 4).astype(np.uint8)


def test_a_level_of_other_proportions_is_not_used_and_told(tmp_path):
    slide = open_whole_slide(write(tmp_path / "a.tif", IMAGE, HALF[:200]), 0.25)
    assert len(slide.levels) == 1
    assert "320 x 200 px is not used" in slide.warnings[0]


def test_a_wrong_level_does_not_take_the_next_one_with_it(tmp_path):
    quarter = HALF.reshape(128, 2, 160, 2, 3).mean(axis=(1, 3)).astype(np.uint8)
    slide = open_whole_slide(write(tmp_path / "a.tif", IMAGE, HALF[::-1], quarter), 0.25)
    assert [level.across for level in slide.levels] == [1.0, 4.0]
    np.testing.assert_array_equal(slide.overview(1.0), quarter)


def test_a_blank_level_is_told_even_if_little_of_the_slide_is_tissue(tmp_path):
    picture = np.full_like(IMAGE, 240)
    picture[200:240, 300:350] = IMAGE[200:240, 300:350]
    slide = open_whole_slide(write(tmp_path / "a.tif", picture, np.full_like(HALF, 240)), 0.25)
    assert len(slide.levels) == 1
