"""Maps and overlays draw circles, squares and cells at their true size."""

import numpy as np
import pytest
from matplotlib.collections import EllipseCollection, PolyCollection
from matplotlib.figure import Figure
from PIL import Image

from histoscribe.plot import expression_map, spot_overlay
from histoscribe.plot.canvas import around_spots, centres_um, spot_marks
from histoscribe.plot.maps import MapText
from histoscribe.plot.overlay import _caption, _detail
from tests.sections_by_shape import SHAPES, section_of

TEXT = MapText(gene="ERBB2", unit="cp10k-log1p", model="ridge", why="median gene")


@pytest.fixture(autouse=True)
def _small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 30)
    monkeypatch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_drawn_the_same_each_time(shape, tmp_path):
    section = section_of(shape)
    values = np.linspace(0, 1, len(section.spots))
    values[::7] = np.nan
    for name in ("a", "b"):
        expression_map(section, values, values[::-1].copy(), TEXT, tmp_path / f"{name}.png")
        spot_overlay(section, tmp_path / f"{name}-overlay.png")
    for name in ("", "-overlay"):
        first, second = (tmp_path / f"{letter}{name}.png" for letter in "ab")
        assert first.read_bytes() == second.read_bytes()


def test_marks_have_the_shape_and_the_size_of_the_spots():
    for shape, kind in zip(
        SHAPES, (EllipseCollection, PolyCollection, EllipseCollection), strict=True
    ):
        section = section_of(shape)
        marks = spot_marks(Figure().subplots(), centres_um(section), section.spots)
        assert isinstance(marks, kind)
        if shape == "squares":
            corners = np.array([path.vertices[:4] for path in marks.get_paths()])
            np.testing.assert_allclose(np.ptp(corners, axis=1), 8.0)
            np.testing.assert_allclose(corners.mean(axis=1), centres_um(section))
        else:
            np.testing.assert_allclose(marks.get_widths(), section.spots.diameter_um)


@pytest.mark.parametrize(("shape", "margin"), [("circles", 150), ("squares", 12), ("cells", 15)])
def test_the_window_has_a_margin_of_one_and_a_half_spots(shape, margin):
    section = section_of(shape)
    window, least = around_spots(section), centres_um(section).min(axis=0)
    np.testing.assert_allclose((window.left, window.top), np.maximum(least - margin, 0))


def test_the_caption_says_what_the_spots_are():
    said = [_caption(section_of(shape), 200).splitlines()[1] for shape in SHAPES]
    assert said[0].startswith("132 spots of 55 µm every 100 µm")
    assert said[1].startswith("1200 squares of 8 µm every 8 µm")
    assert said[2].startswith("900 cells of about 10 µm")


def test_cells_and_small_bins_are_drawn_a_second_time_beside_the_whole(tmp_path):
    sizes = {}
    for shape in SHAPES:
        spot_overlay(section_of(shape), tmp_path / f"{shape}.png")
        with Image.open(tmp_path / f"{shape}.png") as picture:
            sizes[shape] = picture.width
    assert sizes["cells"] == sizes["squares"] == 2 * sizes["circles"]


def test_the_larger_picture_shows_the_tissue_under_its_spots():
    section = section_of("cells")
    detail = _detail(section)
    x, y = (
        detail.window.left + detail.window.width / 2,
        detail.window.top + detail.window.height / 2,
    )
    centre = np.array([x, y]) / section.slide.mpp
    assert np.abs(section.spots.xy - centre).max(axis=1).min() < 1e-6
    side = detail.image.shape[0]
    mpp = detail.window.width / side
    expected = section.slide.read(tuple(centre.tolist()), side, mpp)
    np.testing.assert_array_equal(detail.image, expected)
