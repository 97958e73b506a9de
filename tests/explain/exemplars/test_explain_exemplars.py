"""`explain exemplars`: the table is whole, and leaning is what was planted."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.explain.exemplars.selection import look_up
from histoscribe.explain.exemplars.swaps import Leaning, change_of_each, leaning
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.train.run import train
from tests.benchmark.runs import tiny_settings
from tests.explain.planted import N_EXEMPLARS, Blind, Copying, Looking, number

NEW = "P3S1"  # of a patient that was not in training


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


def shown_to(explained, model_class, section=NEW):
    request = explained.request(model=model_class(explained.n_genes))
    return look_up(request.predictor, request.cohort[section], request.cache)


def test_a_model_that_ignores_its_exemplars_leans_on_them_by_nothing(explained, tmp_path):
    request = explained.request(model=Blind(explained.n_genes))
    finding = explained.answer("exemplars", tmp_path, request, section=NEW)
    assert number(finding.statistic, "leaning") == 0
    assert number(finding.statistic, "leaning_median_gene") == 0
    assert number(finding.statistic, "leaning_on_expression") == 0
    assert number(finding.null, "own_look_swapped") > 0.1
    table = pd.read_csv(tmp_path / "exemplars.csv")
    np.testing.assert_allclose(table["change_if_swapped"].dropna(), 0, atol=1e-6)
    assert (table["expression"].abs() > 0).any(), "it was shown expression all the same"
    _, svg = hs.figures(finding, out=tmp_path / "page")
    words = svg.read_text("utf-8")
    assert words.count("predicted ") == table["strip"].nunique()
    assert words.count("<image") == 4 * table["strip"].nunique() + 1  # and the colour bar
    assert f"the nearest {N_EXEMPLARS} exemplars" in words


def test_a_model_that_copies_its_exemplars_leans_on_nothing_else(explained, tmp_path):
    request = explained.request(model=Copying(explained.n_genes))
    finding = explained.answer("exemplars", tmp_path, request, section=NEW)
    leant = number(finding.statistic, "leaning")
    assert leant > 0.5
    assert number(finding.statistic, "leaning_on_expression") == pytest.approx(leant)
    assert number(finding.null, "own_look_swapped") == 0
    assert number(finding.statistic, "pcc_with_prediction") == pytest.approx(1)
    chance = next(item for item in finding.null if item.name == "pcc_with_prediction")
    assert chance.high < 0.9


def test_leaning_on_the_look_of_exemplars_is_not_taken_for_their_expression(explained):
    leant = leaning(shown_to(explained, Looking))
    assert leant.exemplars.max() > 0
    assert leant.expression.max() == 0
    assert leant.tissue.max() == 0


def test_swapping_one_exemplar_takes_away_its_share(explained):
    shown = shown_to(explained, Copying)
    change = change_of_each(shown, np.array([0, 5]), gene=2)
    own = shown.pool.target[shown.retrieved.rows, 2]
    drawn = np.mean([shown.pool.target[rows, 2] for rows in shown.random(5, "swap-one")], axis=0)
    np.testing.assert_allclose(change, ((drawn - own) / N_EXEMPLARS)[[0, 5]], atol=1e-5)


def test_the_prediction_of_another_spot_is_the_mean_over_all_pairs():
    values = np.random.default_rng(0).normal(size=(40, 2))
    nothing = np.zeros_like(values)
    leant = Leaning(values, nothing, None, nothing)
    apart = np.abs(values[:, None] - values[None]).sum(axis=(0, 1)) / (40 * 39)
    np.testing.assert_allclose(leant.another_spot, apart / values.std(axis=0))


def test_a_constant_prediction_has_no_scale_to_lean_by():
    values = np.stack([np.ones(6), np.arange(6.0)], axis=1)
    leant = Leaning(values, np.ones((6, 2)), None, np.ones((6, 2)))
    found = leant.in_deviations(leant.exemplars)
    assert np.isnan(found[0])
    assert np.isfinite(found[1])


def test_the_table_has_every_exemplar_of_the_prediction_and_what_it_brings(explained, tmp_path):
    gene = explained.predictor.gene_labels[3]
    explained.answer("exemplars", tmp_path, section=NEW, gene=gene)
    table = pd.read_csv(tmp_path / "exemplars.csv")
    section = read_cohort(explained.manifest)[NEW]
    prediction = explained.predictor(section, explained.folder / "cache", keep_unlike=True)
    pool = explained.predictor.fitted.lookup.pool
    rows = prediction.head.evidence["exemplar_row"].astype(int)
    assert len(table) == rows.size
    assert table["exemplar"].tolist() == pool.keys.spot[rows.ravel()].tolist()
    assert table["patient"].tolist() == pool.keys.patient_names[rows.ravel()].tolist()
    np.testing.assert_allclose(table["expression"], pool.target[rows.ravel(), 3], rtol=1e-4)
    apart = prediction.head.evidence["exemplar_distance"].ravel()
    np.testing.assert_allclose(table["distance"], apart, rtol=1e-4)
    predicted = np.repeat(prediction.values[:, 3], N_EXEMPLARS)
    np.testing.assert_allclose(table["predicted"], predicted, rtol=1e-4, atol=1e-5)
    measured = explained.predictor.target.apply(section)[:, 3]
    np.testing.assert_allclose(table["measured"], np.repeat(measured, N_EXEMPLARS), rtol=1e-4)
    assert table["change_if_swapped"].notna().sum() == 3 * N_EXEMPLARS, "three spots are drawn"


def test_a_section_of_a_training_patient_is_shown_no_exemplar_of_its_own(explained, tmp_path):
    finding = explained.answer("exemplars", tmp_path, section="P1S1")
    table = pd.read_csv(tmp_path / "exemplars.csv")
    assert set(table["patient"]) == {"P2"}
    assert number(finding.statistic, "share_P2") == number(finding.null, "share_P2") == 1
    assert any("was in training" in words for words in finding.caveat)


def test_shares_of_patients_add_up_beside_those_of_the_pool(explained, tmp_path):
    finding = explained.answer("exemplars", tmp_path)
    assert finding.about["section"] == NEW, "the section that was not trained on"
    for numbers in (finding.statistic, finding.null):
        shares = [item.value for item in numbers if item.name.startswith("share_")]
        assert sum(shares) == pytest.approx(1)


def test_the_same_question_gives_the_same_bytes(explained, tmp_path):
    for name in ("one", "two"):
        explained.answer("exemplars", tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert files == [
        *("exemplars-tiles.jpg", "exemplars.csv", "exemplars.png", "finding.json", "question.json")
    ]
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_folder_is_for_one_question(explained, tmp_path):
    first, second = explained.predictor.gene_labels[:2]
    explained.answer("exemplars", tmp_path, gene=first)
    before = json.loads((tmp_path / "finding.json").read_text())
    with pytest.raises(DataContractError, match="other settings"):
        explained.answer("exemplars", tmp_path, gene=second)
    assert json.loads((tmp_path / "finding.json").read_text()) == before


def test_without_the_training_sections_pictures_are_blank_and_the_table_is_whole(
    explained, tmp_path, monkeypatch
):
    drawn = []
    monkeypatch.setattr(
        "histoscribe.explain.exemplars.answer.draw_strips",
        lambda strips, *_: drawn.extend(strips),
    )
    explained.answer("exemplars", tmp_path / "alone", explained.request(sections=[NEW]))
    pictures = [picture for strip in drawn for picture in strip.neighbours]
    assert all(picture.tile is None for picture in pictures)
    assert {picture.why_missing for picture in pictures} <= {
        "P1S1 is not\nin the cohort",
        "P2S1 is not\nin the cohort",
    }
    explained.answer("exemplars", tmp_path / "all")
    alone, whole = (tmp_path / name / "exemplars.csv" for name in ("alone", "all"))
    assert alone.read_bytes() == whole.read_bytes()


def test_drawn_tiles_are_those_of_the_exemplars(explained, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "histoscribe.explain.exemplars.answer.draw_strips",
        lambda strips, *_: drawn.extend(strips),
    )
    spot = read_cohort(explained.manifest)[NEW].spots.ids[4]
    explained.answer("exemplars", tmp_path, spots=spot)
    (strip,) = drawn
    assert strip.query.lines[:2] == (spot, "named by the user")
    request = explained.request()
    shown = look_up(request.predictor, request.cohort[NEW], request.cache)
    keys = shown.pool.keys
    for row, picture in zip(shown.retrieved.rows[4], strip.neighbours, strict=True):
        section = read_cohort(explained.manifest)[str(keys.section_names[row])]
        at = section.spots.ids.index(keys.spot[row])
        tile = look_up(request.predictor, section, request.cache).tiles[at]
        np.testing.assert_array_equal(picture.tile, tile)


def test_wrong_settings_come_at_once(explained, tmp_path):
    with pytest.raises(DataContractError) as error:
        explained.answer("exemplars", tmp_path / "out", section="P9S1", gene="NOPE")
    where = [problem.where for problem in error.value.problems]
    assert where == ["section P9S1", "gene NOPE"]
    with pytest.raises(DataContractError, match="no such spot in section P3S1"):
        explained.answer("exemplars", tmp_path / "out", spots=("nowhere",))
    assert not (tmp_path / "out").exists()


def test_a_predictor_without_exemplars_names_the_models_that_have_some(explained, tmp_path):
    settings = tiny_settings(explained.manifest, models=["mean"])
    predictor = train(settings=settings, out=tmp_path / "mean", cache=tmp_path / "cache")
    request = replace(explained.request(), predictors=(predictor,))
    with pytest.raises(DataContractError, match="egn, egn-released"):
        explained.answer("exemplars", tmp_path / "out", request)
    with pytest.raises(DataContractError, match="mean is no network"):
        explained.answer("latent", tmp_path / "out", request)
