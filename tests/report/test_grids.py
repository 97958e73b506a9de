"""The page says whether image and spots fit as alignment.csv says, and no more."""

import re

import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark.alignment import COLUMNS, DIRECTIONS
from histoscribe.errors import DataContractError
from histoscribe.report import write
from histoscribe.report.alignment import MOST_GRIDS, grids
from histoscribe.report.run import read_run
from tests.report.made import make_run

IN_PLACE = 0.18


@pytest.fixture
def folder(tmp_path):
    return make_run(tmp_path / "run")


def keep_alignment(folder, sections, better=None, n_spots=100):
    """Every direction adds another, known gain; in `better` it is a clear one."""
    rows = []
    for fold, section in sections:
        for place, direction in enumerate(DIRECTIONS):
            gain = 0.05 if better == (section, direction) else -0.01 * (place + 1)
            pcc = IN_PLACE + gain if n_spots else np.nan
            still = IN_PLACE if n_spots else np.nan
            rows.append((fold, section, direction, n_spots, pcc, still, 200 * gain))
    pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(folder / "alignment.csv", index=False)


def test_every_number_of_the_file_stands_on_its_side_of_the_section(folder):
    keep_alignment(folder, [("P0", "S0a")])
    ((grid,), left_out) = grids(read_run(folder))
    assert left_out == 0
    # directions go around clockwise from the right, each a hundredth worse than the last
    assert [[place.gain for place in row] for row in grid.rows] == [
        ["−0.060", "−0.070", "−0.080"],
        ["−0.050", "", "−0.010"],
        ["−0.040", "−0.030", "−0.020"],
    ]
    assert grid.rows[1][2].pcc == "0.170"
    assert grid.rows[1][1].pcc == "0.200", "the mean of scores.csv for ridge in this section"
    assert grid.says == "No position one spot away is clearly better."
    assert not any(place.better for row in grid.rows for place in row)


def test_a_section_that_fits_better_elsewhere_comes_first_and_is_marked(folder):
    sections = [("P0", "S0a"), ("P0", "S0b"), ("P1", "S1a")]
    keep_alignment(folder, sections, better=("S1a", "upper left"))
    shown, _ = grids(read_run(folder))
    assert [grid.name for grid in shown] == ["section S1a", "section S0a", "section S0b"]
    assert shown[0].says.startswith("It fits better one spot to the upper left")
    assert [place.better for place in shown[0].rows[0]] == [True, False, False]
    assert sum(place.better for row in shown[0].rows for place in row) == 1
    page = write(folder).read_text(encoding="utf-8")
    assert page.count('<td class="better">0.230<small>+0.050</small></td>') == 1
    assert "<details open><summary>One spot away: 3 sections" in page


def test_a_model_that_fits_nowhere_says_nothing_of_the_spots(folder):
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False)
    scores.loc[scores["section"] == "S0a", "value"] = 0.001
    scores.to_csv(folder / "scores.csv", index=False)
    keep_alignment(folder, [("P0", "S0a")])
    ((grid,), _) = grids(read_run(folder))
    assert "the position cannot be checked" in grid.says


def test_too_few_spots_say_nothing(folder):
    keep_alignment(folder, [("P0", "S0a")], n_spots=0)
    ((grid,), _) = grids(read_run(folder))
    assert "neighbours for a result" in grid.says
    assert grid.rows[0][0].pcc == "—"


def test_many_sections_are_cut_and_the_cut_is_said(folder):
    sections = [(f"P{i}", f"S{i:02}") for i in range(MOST_GRIDS + 3)]
    keep_alignment(folder, sections, better=("S50", "left"))
    shown, left_out = grids(read_run(folder))
    assert (len(shown), left_out) == (MOST_GRIDS, 3)
    assert shown[0].name == "section S50"
    assert "3 more in <code>alignment.csv</code>" in write(folder).read_text(encoding="utf-8")


def test_a_section_of_two_folds_has_a_grid_in_each(folder):
    keep_alignment(folder, [("one", "S1"), ("two", "S1")])
    shown, _ = grids(read_run(folder))
    assert [grid.name for grid in shown] == ["section S1, fold one", "section S1, fold two"]


def test_a_run_of_an_older_version_is_silent_on_it(folder):
    assert grids(read_run(folder)) == ([], 0)
    assert "One spot away" not in write(folder).read_text(encoding="utf-8")


def test_a_file_without_folds_is_named(folder):
    keep_alignment(folder, [("P0", "S0a")])
    table = pd.read_csv(folder / "alignment.csv").drop(columns="fold")
    table.to_csv(folder / "alignment.csv", index=False)
    with pytest.raises(DataContractError, match=r"alignment\.csv.*no column fold"):
        write(folder)


def test_a_hostile_section_stays_a_name(folder):
    keep_alignment(folder, [("P0", "<img src=x>")])
    page = write(folder).read_text(encoding="utf-8")
    assert "section &lt;img src=x&gt;" in page
    assert not re.search(r"<img src=x", page)
