"""Figures for a page: size in mm, text of 8 points that stays text, equal bytes."""

import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.image import imread
from matplotlib.text import Text

from histoscribe.plot.dot_map import DotMap, DotPanel, draw_dot_map, value_colours
from histoscribe.plot.model_scores import ModelScores, ScorePanel, draw_model_scores
from histoscribe.plot.publication import POINTS, in_mm, save_vector
from histoscribe.types import Spots

POINTS_PER_MM = 72 / 25.4


def dots(gene="ERBB2", **changes):
    um = np.array([[x, y] for x in range(0, 600, 100) for y in range(0, 400, 100)], float)
    spots = Spots(tuple(map(str, range(len(um)))), um, 55.0, 100.0)
    values = np.linspace(-2, 2, len(um))
    values[0] = np.nan
    panels = (DotPanel("measured", values), DotPanel("predicted by ridge", values / 2, "pcc 1.00"))
    item = {"gene": gene, "place": "section A1", "unit": "pearson-residuals", "um": um}
    return DotMap(**{**item, "spots": spots, "panels": panels, **changes})


def scores(n_patients=6):
    low, high = (0.1, 0.3) if n_patients >= 5 else (np.nan, np.nan)
    models = tuple(
        ModelScores(name, tuple(np.linspace(0, 0.4, n_patients)), 0.2, low, high)
        for name in ("ridge", "knn", "mean")
    )
    lines = {"oracle-depth": 0.15, "depth": 0.1}
    return [ScorePanel(m, models, (-0.02, 0.02), lines) for m in ("pcc", "pcc_given_depth")]


FIGURES = {
    "map": lambda width: draw_dot_map(dots(), width),
    "map beyond": lambda width: draw_dot_map(dots(beyond=np.arange(24) < 3), width),
    "map alone": lambda width: draw_dot_map(dots(panels=dots().panels[1:]), width),
    "models": lambda width: draw_model_scores(scores(), width),
    "few patients": lambda width: draw_model_scores(scores(2), width),
}


@pytest.fixture(params=FIGURES)
def draw(request):
    return FIGURES[request.param]


@pytest.mark.parametrize("width", ["single", 120])
def test_a_figure_has_its_size_in_mm_and_text_of_8_points_that_stays_text(draw, width, tmp_path):
    figure = draw(in_mm(width))
    pdf, svg = save_vector(figure, tmp_path, "figure")
    assert {text.get_fontsize() for text in figure.findobj(Text)} == {POINTS}
    page = [float(n) for n in re.search(rb"/MediaBox \[([^]]*)\]", pdf.read_bytes())[1].split()]
    assert page[2] / POINTS_PER_MM == pytest.approx(in_mm(width), abs=0.1)
    assert b"/FontFile2" in pdf.read_bytes()  # letters as a font, not as drawings
    text = svg.read_text("utf-8")
    points = re.search(r'<svg[^>]* width="([\d.]+)pt"', text)[1]
    assert float(points) / POINTS_PER_MM == pytest.approx(in_mm(width), abs=0.1)
    assert "ridge</text>" in text
    assert {float(px) for px in re.findall(r"([\d.]+)px", text)} == {POINTS}


def test_equal_figures_have_equal_bytes_without_a_date(draw, tmp_path):
    first = save_vector(draw(88.0), tmp_path / "a", "figure")
    second = save_vector(draw(88.0), tmp_path / "b", "figure")
    assert [p.read_bytes() for p in first] == [p.read_bytes() for p in second]
    assert b"Date" not in first[0].read_bytes()
    assert b"dc:date" not in first[1].read_bytes()


def test_nothing_lies_outside_the_figure(draw):
    figure = draw(88.0)
    box = figure.get_tightbbox(FigureCanvasAgg(figure).get_renderer())
    across, up = figure.get_size_inches()
    assert min(box.x0, box.y0) >= -0.01
    assert box.x1 <= across + 0.01
    assert box.y1 <= up + 0.01


def test_a_notebook_shows_a_figure_by_itself_once(draw):
    png, size = draw(88.0)._repr_png_()
    assert png.startswith(b"\x89PNG")
    assert size["width"] == pytest.approx(88 / 25.4 * 96, abs=1)
    from matplotlib import pyplot as plt

    assert plt.get_fignums() == []


def test_zero_is_in_the_middle_of_values_of_both_signs_only():
    both = value_colours([np.array([-1.0, 3.0])])
    assert both.norm.vmin == -both.norm.vmax
    assert value_colours([np.array([0.0, 3.0])]).get_cmap().name == "cividis"
    assert value_colours([np.array([-9.0, -3.0])]).get_cmap().name == "cividis"
    assert value_colours([np.full(3, np.nan)]).norm.vmin == 0.0


def test_names_of_data_are_neither_formulas_nor_control_characters(tmp_path):
    _, svg = save_vector(draw_dot_map(dots("$x^2$ <b>\x07"), 88.0), tmp_path, "evil")
    assert "$x^2$ &lt;b&gt;\\x07</text>" in svg.read_text("utf-8")


def test_many_spots_are_a_picture_and_their_text_is_not(monkeypatch, tmp_path):
    monkeypatch.setattr("histoscribe.plot.dot_map._MOST_VECTOR", 10)
    _, svg = save_vector(draw_dot_map(dots(), 88.0), tmp_path, "many")
    assert "<image" in svg.read_text("utf-8")
    assert "measured</text>" in svg.read_text("utf-8")


@pytest.mark.parametrize("width", ["wide", 12, 4000])
def test_a_width_is_a_column_or_mm(width):
    with pytest.raises(ValueError, match="mm"):
        in_mm(width)


def test_a_png_has_the_px_of_its_mm(tmp_path):
    draw_dot_map(dots(), 88.0).savefig(tmp_path / "map.png", dpi=100)
    assert imread(tmp_path / "map.png").shape[1] == int(88 / 25.4 * 100)
