"""`levels`: seven levels, their tiles and numbers, and what it refuses."""

import json
from dataclasses import replace
from unittest.mock import patch

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.explain.levels.answer import TABLES
from histoscribe.explain.levels.pictures import FIGURES
from histoscribe.explain.run import explain
from tests.explain.levels.chance import asked
from tests.explain.levels.planted_levels import (
    DARK,
    OF_PATIENT,
    cohort_of,
    planted_cohort,
    planted_section,
    trained,
)


@pytest.fixture(scope="module")
def finding(tmp_path_factory):
    out = tmp_path_factory.mktemp("levels") / "out"
    return explain("levels", trained(), planted_cohort(), gene=DARK, out=out)


def table(finding, name):
    return pd.read_csv(finding.folder / name)


def test_every_number_stands_beside_its_chance(finding):
    names = [number.name for number in finding.statistic if not number.name.startswith("p_")]
    assert [number.name for number in finding.null] == names
    for name in names:
        by_chance = finding.chance(name)
        if np.isnan(finding.number(name).value):  # no tile has any lumen or fat
            assert name in ("trend_lumen_share", "trend_fat_share")
            continue
        assert by_chance.low <= by_chance.value <= by_chance.high
    assert finding.number("p_largest_deviation").value < 0.05  # six patients
    assert all((finding.folder / name).exists() for name in (*FIGURES, *TABLES))


def test_a_visible_concept_is_found_and_its_prediction_follows(finding):
    trends = table(finding, "trends.csv").set_index("measure")["trend"]
    assert trends["darkness"] > 0.5
    assert trends["predicted"] > 0.5
    levels = table(finding, "levels.csv")
    assert levels["darkness"].iloc[-1] > levels["darkness"].iloc[0]


def test_each_tile_names_patient_section_and_subtype(finding):
    tiles = table(finding, "tiles.csv")
    assert (tiles["patient"].str[1:] == tiles["section"].str[1:]).all()
    assert set(tiles["subtype"]) == {"kind 0", "kind 1"}
    sheet = tiles[tiles["on_sheet"]]
    assert sheet.groupby("level").size().max() == 5
    # five tiles of five patients, as long as a level has as many
    n_patients = table(finding, "levels.csv").set_index("level")["n_patients"]
    of_sheet = sheet.groupby("level")["patient"].nunique()
    assert (of_sheet == np.minimum(n_patients[of_sheet.index], 5)).all()


def test_the_extreme_tiles_of_high_levels_are_those_predicted_highest(finding):
    tiles = table(finding, "tiles.csv")
    best = tiles[(tiles["level"] >= 6)].groupby(["level", "patient"])["predicted"].idxmax()
    sheet = tiles[tiles["on_sheet"] & (tiles["level"] >= 6)]
    first_turn = sheet.groupby(["level", "patient"])["predicted"].max()
    assert (
        first_turn == tiles.loc[best].set_index(["level", "patient"])["predicted"][first_turn.index]
    ).all()


def test_counts_of_the_histogram_are_those_of_the_spots(finding):
    levels = table(finding, "levels.csv")
    n_spots = sum(len(section.spots) for section in planted_cohort())
    assert levels["n_measured"].sum() == levels["n_predicted"].sum() == n_spots
    assert levels["n_tiles"].sum() == n_spots  # fewer than the numbers take


def test_below_six_patients_values_are_listed_without_a_p_value():
    few = asked(trained(), planted_cohort(3), DARK)
    assert not [number for number in few.statistic if number.name.startswith("p_")]
    assert table(few, "trends.csv")["p"].isna().all()
    assert len(table(few, "patients.csv")) == 3
    assert any("too few for a p-value" in words for words in few.caveat)


def test_one_patient_has_no_pairs_of_tiles():
    alone = asked(trained(), planted_cohort(1), DARK)
    assert np.isnan(alone.number("ssim_within").value)
    assert np.isfinite(alone.number("trend_darkness").value)
    json.loads((alone.folder / "finding.json").read_text())


def test_levels_of_predictions_need_no_counts():
    sections = [replace(planted_section(number, 0), counts=None) for number in range(3)]
    with patch("histoscribe.explain.levels.answer.draw_pictures", return_value=FIGURES):
        finding = explain("levels", trained(), cohort_of(sections), gene=DARK, by="predicted")
    assert finding.number("trend_darkness").value > 0.9
    assert not [one for one in finding.statistic if one.name == "trend_predicted"]
    assert any("follows" in words for words in finding.caveat)


def test_a_bag_model_gives_each_patient_its_tiles_with_most_attention(tmp_path):
    predictor, cohort = trained("abmil"), planted_cohort(7)
    finding = explain("levels", predictor, cohort, gene=OF_PATIENT, out=tmp_path / "out")
    tiles = table(finding, "tiles.csv")
    assert (tiles.groupby("patient").size() == 5).all()
    assert (tiles.groupby("patient")["level"].nunique() == 1).all()
    prediction = predictor(cohort["S0"], keep_unlike=True)
    attention = np.sort(prediction.head.evidence["attention"][:, 0])[::-1][:5] * 16
    drawn = tiles.loc[tiles["section"] == "S0", "attention"].sort_values(ascending=False)
    np.testing.assert_allclose(drawn, attention, rtol=1e-4)
    patients = table(finding, "patients.csv")
    means = tiles.groupby("patient")["darkness"].mean()
    np.testing.assert_allclose(patients.set_index("patient")["darkness"], means, rtol=1e-4)
    assert table(finding, "levels.csv")["n_measured"].sum() == 7


def test_several_sections_of_a_patient_are_one_patient():
    sections = [
        replace(planted_section(number, 0), patient=f"P{number // 2}") for number in range(6)
    ]
    finding = asked(trained(), cohort_of(sections), DARK)
    assert len(table(finding, "patients.csv")) == 3
    assert finding.number("trend_darkness").value > 0.5


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"gene": "DARKK"}, "did you mean DARK"),
        ({"sections": "S9"}, "no such section"),
        ({"concepts": "darknes"}, "did you mean darkness"),
        ({"concepts": "nuclear_area"}, "at most 0.7 um/px"),
        ({"bulk": "table.csv"}, "was trained on spots"),
        ({"sheet": True, "by": "predicted"}, "the model itself would be right"),
        ({"by": "guessed"}, "measured"),
        ({"read": "form.csv"}, "--read without --key"),
        ({"key": "key.json"}, "--key without --read"),
    ],
)
def test_what_cannot_be_used_is_named(settings, words):
    with pytest.raises(DataContractError, match=words):
        explain("levels", trained(), planted_cohort(2), **settings)


def test_sections_without_counts_are_named():
    sections = [replace(planted_section(number, 0), counts=None) for number in range(2)]
    with pytest.raises(DataContractError, match=r"S0, S1.*no counts"):
        explain("levels", trained(), cohort_of(sections))


def test_a_gene_of_equal_values_has_no_levels():
    section = planted_section(0, 0)
    counts = section.measured
    equal = replace(counts, matrix=sp.csr_matrix(counts.matrix[[0] * len(section.spots)]))
    with pytest.raises(DataContractError, match="they have no levels"):
        explain("levels", trained(), cohort_of([replace(section, counts=equal)]), gene=DARK)


def test_a_bag_model_needs_two_patients_with_names():
    with pytest.raises(DataContractError, match="at least two patients"):
        explain("levels", trained("abmil"), planted_cohort(1))
    unknown = replace(planted_section(0, 0), counts=None, patient=None)
    with pytest.raises(DataContractError, match="the model predicts patients"):
        explain("levels", trained("abmil"), cohort_of([unknown]), by="predicted")


@pytest.mark.slow
def test_the_same_question_gives_the_same_bytes(finding, tmp_path):
    again = explain("levels", trained(), planted_cohort(), gene=DARK, out=tmp_path / "again")
    for file in sorted(finding.folder.iterdir()):
        assert file.read_bytes() == (again.folder / file.name).read_bytes()
