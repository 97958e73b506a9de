from dataclasses import replace
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.plot import expression_map, overlay, spot_overlay
from histoscribe.plot.canvas import around_spots, round_length
from histoscribe.plot.maps import MapText, pcc_text, value_scale
from histoscribe.types import Counts, Section, Slide, Spots


class PlainSlide(Slide):
    """A pink slide of 1 um/px."""

    def __init__(self, width: int, height: int):
        self.path, self.width, self.height, self.mpp = Path("pink.png"), width, height, 1.0

    def read(self, xy, side_px, mpp):
        raise NotImplementedError

    def overview(self, mpp):
        shape = (round(self.height / mpp), round(self.width / mpp), 3)
        return np.full(shape, (230, 160, 200), dtype=np.uint8)

    def pixel_hash(self):
        return "pink"


@pytest.fixture(scope="module")
def section():
    """Thirty spots, 100 um apart, in the middle of a slide of 1400 x 1000 um."""
    x, y = np.meshgrid(np.arange(6) * 100.0 + 400, np.arange(5) * 100.0 + 300)
    spots = Spots(
        tuple(f"s{i}" for i in range(30)), np.column_stack([x.ravel(), y.ravel()]), 55.0, 100.0
    )
    counts = Counts(sp.csr_matrix(np.ones((30, 2))), ("a", "b"), ("a", "b"))
    return Section("S1", "P1", PlainSlide(1400, 1000), spots, counts, {"minimum-umi": 4})


TEXT = MapText(gene="ERBB2", unit="cp10k-log1p", model="ridge", why="median gene")


def draw(section, path, predicted=None, beyond=None):
    measured = np.linspace(0.0, 3.0, 30)
    predicted = measured[::-1].copy() if predicted is None else predicted
    expression_map(section, measured, predicted, TEXT, path, beyond)
    return path


def test_same_input_gives_the_same_bytes(section, tmp_path):
    assert draw(section, tmp_path / "a.png").read_bytes() == (
        draw(section, tmp_path / "b.png").read_bytes()
    )


def test_spots_beyond_the_training_are_hatched_in_the_prediction_only(section, tmp_path):
    none, some = np.zeros(30, dtype=bool), np.arange(30) >= 24
    plain = draw(section, tmp_path / "plain.png").read_bytes()
    assert draw(section, tmp_path / "none.png", beyond=none).read_bytes() == plain
    predicted = np.where(some, np.nan, 1.0)
    pictures = []
    for name, beyond in (("hollow", none), ("hatched", some)):
        path = draw(section, tmp_path / f"{name}.png", predicted, beyond)
        pictures.append(matplotlib.image.imread(path)[..., :3].mean(axis=2))
    hollow, hatched = pictures
    width = min(hollow.shape[1], hatched.shape[1])
    dark = [picture[:, :width] < 0.25 for picture in (hollow, hatched)]
    left, right = np.s_[:, : width // 2], np.s_[:, width // 2 :]
    assert dark[1][left].sum() == pytest.approx(dark[0][left].sum(), rel=0.02)
    assert dark[1][right].sum() > 1.2 * dark[0][right].sum()


def test_png_carries_no_date_and_no_version(section, tmp_path):
    written = draw(section, tmp_path / "a.png").read_bytes()
    assert b"tIME" not in written
    assert b"Matplotlib" not in written


def test_unknown_spots_are_drawn_hollow(section, tmp_path):
    unknown = np.full(30, np.nan)
    picture = matplotlib.image.imread(draw(section, tmp_path / "nan.png", unknown))
    half = picture[:, picture.shape[1] // 2 : int(picture.shape[1] * 0.85)]
    # without a filled spot the right panel has grey lines and pink tissue, never the yellow
    # (red and green high, blue low) or the dark blue of the colour scale
    assert not ((half[..., 0] - half[..., 2]) > 0.3).any()
    assert not ((half[..., 2] - half[..., 0]) > 0.2).any()


def test_both_panels_sharevalue_scale():
    scale = value_scale(np.array([0.0, 1.0]), np.array([9.0, 10.0]))
    assert scale.get_clim()[0] < 0.5
    assert scale.get_clim()[1] > 9.5


def test_constant_and_all_missing_values_can_be_drawn(section, tmp_path):
    assert draw(section, tmp_path / "c.png", np.full(30, 1.0)).is_file()
    low, high = value_scale(np.full(3, np.nan), np.full(3, 2.0)).get_clim()
    assert low < 2.0 < high


def test_title_follows_the_rules_of_the_metric():
    rising = np.arange(5.0)
    assert pcc_text(rising, 2 * rising) == "1.00"
    assert pcc_text(np.zeros(5), rising) == "undefined"
    assert pcc_text(rising, np.zeros(5)).startswith("0")
    assert pcc_text(rising, np.array([0.0, 1.0, np.nan, 3.0, 4.0])) == "1.00"


def test_window_holds_every_spot_and_stays_on_the_slide(section):
    window = around_spots(section)
    assert (window.left, window.top) == (250.0, 150.0)
    assert (window.width, window.height) == (800.0, 700.0)


def test_scale_bar_is_round_and_at_most_what_fits():
    assert [round_length(length) for length in (1.0, 199.0, 500.0, 4999.0)] == [1, 100, 500, 2000]


def test_values_of_another_section_are_refused(section, tmp_path):
    with pytest.raises(ValueError, match="30 spots"):
        expression_map(section, np.ones(29), np.ones(29), TEXT, tmp_path / "x.png")
    assert list(tmp_path.iterdir()) == []


def test_overlay_is_written_and_repeats_to_the_byte(section, tmp_path):
    spot_overlay(section, tmp_path / "a.png")
    spot_overlay(section, tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_a_single_spot_at_the_corner_can_be_drawn(tmp_path):
    spots = Spots(("one",), np.array([[0.0, 0.0]]), 55.0, 100.0)
    lone = Section("S2", None, PlainSlide(300, 4000), spots, None)
    spot_overlay(lone, tmp_path / "lone.png")
    expression_map(lone, np.ones(1), np.ones(1), TEXT, tmp_path / "map.png")
    assert (tmp_path / "map.png").is_file()


def test_a_long_note_stays_on_the_overlay(section, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(overlay, "save_png", lambda figure, path: figures.append(figure))
    spot_overlay(replace(section, notes=("a note of many words " * 20,)), tmp_path / "a.png")
    (figure,) = figures
    figure.draw_without_rendering()
    title = figure.axes[0].title.get_window_extent()
    assert figure.bbox.x0 <= title.x0
    assert title.x1 <= figure.bbox.x1
    assert title.y1 <= figure.bbox.y1
