"""A mask that a user gives is read for what it says."""

import json

import numpy as np
import pytest
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.slides.mask import read_mask
from histoscribe.io.slides.slide import open_slide

TRUTH = np.zeros((20, 30), dtype=bool)
TRUTH[5:12, 10:25] = True


@pytest.fixture
def slide(tmp_path):
    """300 x 200 px of 4 um."""
    Image.new("RGB", (300, 200), "white").save(tmp_path / "slide.png")
    return open_slide(tmp_path / "slide.png", 4.0)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "I;16", "P"])
def test_what_is_not_zero_is_tissue_in_every_kind_of_picture(slide, tmp_path, mode):
    picture = Image.fromarray(TRUTH.astype(np.uint8) * 255)
    if mode == "I;16":
        picture = Image.fromarray(TRUTH.astype(np.uint16) * 256)  # zero in its lower bits
    elif mode == "RGBA":
        picture = Image.merge("RGBA", [picture] * 3 + [Image.new("L", picture.size, 255)])
    else:
        picture = picture.convert(mode)
    picture.save(tmp_path / "mask.png")
    assert np.array_equal(read_mask(tmp_path / "mask.png", slide), TRUTH)


def test_polygons_are_drawn_where_they_lie_with_their_holes(slide, tmp_path):
    outline = [[100, 50], [250, 50], [250, 120], [100, 120], [100, 50]]
    hole = [[140, 70], [180, 70], [180, 100], [140, 100], [140, 70]]
    second = [[150, 80], [170, 80], [170, 90], [150, 90], [150, 80]]  # an island in the hole
    coordinates = [[outline, hole], [second]]
    polygons = {"type": "MultiPolygon", "coordinates": coordinates}
    (tmp_path / "mask.geojson").write_text(json.dumps(polygons))
    inside = read_mask(tmp_path / "mask.geojson", slide)
    assert inside.shape == (100, 150), "8 um/px"
    expected = np.zeros_like(inside)
    expected[25:60, 50:125] = True
    expected[35:50, 70:90] = False
    expected[40:45, 75:85] = True
    differ = inside != expected
    assert differ.sum() <= 5 * 24, "px on an outline, whose centre is on neither side"
    assert not differ[26:34, 51:124].any()


def test_a_mask_of_another_slide_is_refused(slide, tmp_path):
    Image.new("L", (30, 21), 255).save(tmp_path / "near.png")
    with pytest.raises(DataContractError, match="30 x 21 px for a slide of 300 x 200 px"):
        read_mask(tmp_path / "near.png", slide)
    Image.new("L", (1000, 660), 255).save(tmp_path / "within.png")
    assert read_mask(tmp_path / "within.png", slide).all()


def test_a_file_that_is_no_mask_is_refused(slide, tmp_path):
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "lost.png"):
        with pytest.raises(DataContractError, match=name):
            read_mask(tmp_path / name, slide)
