"""Padding of any dark colour is no tissue, and takes none with it."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from scipy.ndimage import binary_dilation

from histoscribe.data.padding import padding_of
from histoscribe.data.tissue import tissue_of

MPP = 8.0


@pytest.fixture(scope="module")
def tissue() -> np.ndarray:
    """All of it is rough tissue."""
    grain = np.random.default_rng(1).random((120, 140, 1))
    return (np.array([215, 150, 195]) - grain * np.array([120, 90, 60])).astype(np.uint8)


def scanned(image: np.ndarray, quality: int) -> np.ndarray:
    """The picture as JPEG at 2 um/px, seen at 8."""
    buffer = BytesIO()
    Image.fromarray(image.repeat(4, axis=0).repeat(4, axis=1)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer).reduce(4))


def padded(tissue: np.ndarray, colour) -> tuple[np.ndarray, np.ndarray]:
    """Tissue in a frame of one colour, and where it lies."""
    image = np.full((220, 260, 3), colour, dtype=np.uint8)
    truth = np.zeros(image.shape[:2], dtype=bool)
    truth[40:160, 70:210] = True
    image[truth] = tissue.reshape(-1, 3)
    return image, truth


@pytest.mark.parametrize("quality", [None, 80, 30])
@pytest.mark.parametrize(
    "colour", [0, 30, 60, 128, 180, (0, 0, 255), (40, 90, 60), (160, 90, 130)], ids=str
)
def test_tissue_in_a_frame_is_found_up_to_its_border(tissue, colour, quality):
    image, truth = padded(tissue, colour)
    found = tissue_of(image if quality is None else scanned(image, quality), MPP)
    assert not (found & ~binary_dilation(truth, iterations=2)).any()  # 16 um, which JPEG blurs
    assert (found & truth).sum() > 0.99 * truth.sum()


@pytest.mark.parametrize("colour", [0, 128])
@pytest.mark.parametrize("box", [(0, 0, 220, 90), (0, 0, 100, 130), (0, 150, 90, 260)], ids=str)
def test_a_part_of_the_tissue_under_padding_is_lost_and_no_more(tissue, colour, box):
    image, _ = padded(tissue, 243)
    on_glass = tissue_of(image, MPP)
    top, left, bottom, right = box
    image[top:bottom, left:right] = colour
    on_glass[top:bottom, left:right] = False
    found = tissue_of(image, MPP)
    assert not found[top:bottom, left:right].any()
    assert (found ^ on_glass).sum() < 0.001 * on_glass.sum()


def test_padding_that_leaves_a_strip_of_glass_makes_no_tissue_of_it(tissue):
    image, truth = padded(tissue, 243)
    image[:, :40] = 0  # 240 um of glass are left
    found = tissue_of(image, MPP)
    assert not found[:, :65].any()
    assert (found & truth).sum() > 0.95 * truth.sum()


def test_glass_is_no_padding_even_if_it_is_flat():
    image = np.full((100, 100, 3), (214, 206, 223), dtype=np.uint8)
    assert not padding_of(image, MPP).any()


def test_a_gap_between_tiles_is_padding_and_a_smooth_round_hole_is_not(tissue):
    y, x = np.mgrid[:120, :140]
    gap, hole = tissue.copy(), tissue.copy()
    gap[40:80, 50:100] = 150
    hole[np.hypot(x - 70, y - 60) < 30] = 150
    assert not tissue_of(gap, MPP)[40:80, 50:100].any()
    assert tissue_of(hole, MPP).mean() > 0.97


def test_a_small_flat_part_inside_is_no_padding_and_a_flat_corner_is(tissue):
    image = tissue.copy()
    image[50:57, 50:57] = 100
    image[:20, :20] = 100
    found = padding_of(image, MPP)
    assert found[:19, :19].all()
    assert not found[25:].any()
