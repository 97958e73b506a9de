"""`explain latent`: numbers of the representation, beside chance and what was known before."""

import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.explain.latent.purity import (
    nearest,
    nearest_within,
    same_kind_share,
    shuffled_share,
)
from histoscribe.explain.representation import Representation, sample
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.types import SpotKeys
from tests.explain.planted import Blind, number


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


def write_labels(explained, section, path):
    """Label spots by the feature that varies most, which decides who is nearest."""
    request = explained.request()
    feature = request.predictor.queries(request.cohort[section], request.cache).feature
    column = feature[:, feature.var(axis=0).argmax()]
    label = np.where(column > np.median(column), "dense", "loose")
    table = pd.DataFrame({"spot": request.cohort[section].spots.ids, "label": label})
    table.to_csv(path, index=False)


def test_neighbours_of_a_planted_kind_are_found_and_shuffled_ones_are_not():
    rng = np.random.default_rng(0)
    kind = np.repeat(["a", "b"], 60)
    points = rng.normal(size=(120, 5)) + 20.0 * (kind == "a")[:, None]
    beside = nearest(points)
    assert (beside != np.arange(120)[:, None]).all()
    assert same_kind_share(beside, kind.tolist()).mean() == 1
    shuffled = shuffled_share(beside, kind.tolist(), 120 * ("",), 0)
    assert abs(shuffled.mean() - 0.5) < 0.03


def test_kinds_shuffled_within_groups_keep_what_a_group_is_made_of():
    rng = np.random.default_rng(1)
    group = np.repeat(["one", "two"], 50)
    beside = nearest(rng.normal(size=(100, 3)) + 30.0 * (group == "one")[:, None])
    shuffled = shuffled_share(beside, group.tolist(), group.tolist(), 0)
    np.testing.assert_array_equal(shuffled, 1.0)


def test_neighbours_by_place_stay_in_their_section():
    xy = np.random.default_rng(2).random((40, 2))
    group = np.tile(["s", "t"], 20)
    found = nearest_within(xy, group.tolist())
    assert (group[found] == group[:, None]).all()
    with pytest.raises(ValueError, match="other has 2"):
        nearest_within(xy[:4], ["other", "other", "short", "short"])


def test_numbers_and_table_are_of_every_spot(explained, tmp_path):
    write_labels(explained, "P3S1", tmp_path / "labels.csv")
    finding = explained.answer("latent", tmp_path / "out", labels={"P3S1": tmp_path / "labels.csv"})
    table = pd.read_csv(tmp_path / "out" / "latent.csv", keep_default_na=False)
    cohort = read_cohort(explained.manifest)
    assert len(table) == sum(len(section.spots) for section in cohort)
    assert set(table.loc[table["section"] == "P3S1", "label"]) == {"dense", "loose"}
    assert set(table.loc[table["section"] != "P3S1", "label"]) == {""}
    _, svg = hs.figures(finding, out=tmp_path / "page")
    words = svg.read_text("utf-8")
    assert all(f"{name}</text>" in words for name in ("P1", "P2", "P3", "dense", "loose", "none"))
    assert number(finding.statistic, "same_patient") == pytest.approx(
        table["same_patient"].mean(), abs=1e-4
    )
    chance = next(item for item in finding.null if item.name == "same_patient")
    assert chance.low < 1 / 3 + 0.05
    assert chance.high > 1 / 3 - 0.05
    names = {item.name for item in finding.null}
    assert {"same_label", "same_label_in_features", "same_label_by_place"} <= names
    assert any("P1S1 was in training" in words for words in finding.caveat)


def test_a_label_that_the_representation_holds_is_seen_in_it(explained, tmp_path):
    write_labels(explained, "P3S1", tmp_path / "labels.csv")
    finding = explained.answer(
        "latent",
        tmp_path / "out",
        explained.request(model=Blind(explained.n_genes)),
        sections=("P3S1",),
        labels={"P3S1": tmp_path / "labels.csv"},
    )
    chance = next(item for item in finding.null if item.name == "same_label")
    found = number(finding.statistic, "same_label")
    assert found > chance.high
    assert found == number(finding.null, "same_label_in_features"), "it represents the features"
    assert any("one patient" in words for words in finding.caveat)


def test_the_same_question_gives_the_same_bytes(explained, tmp_path):
    for name in ("one", "two"):
        explained.answer("latent", tmp_path / name, sections=("P1S1", "P3S1"))
    for file in ("question.json", "finding.json", "latent.csv", "latent.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_of_very_many_spots_each_section_keeps_its_share(monkeypatch):
    monkeypatch.setattr("histoscribe.explain.representation.MOST_SPOTS", 30)
    sections = ["big" if i < 80 else "small" for i in range(100)]
    keys = SpotKeys.of_names(sections, 100 * ["P"], [str(i) for i in range(100)])
    values = np.arange(100.0)[:, None]
    kept = sample(Representation(values, values, np.zeros((100, 2)), keys, 100 * (None,)), 0)
    assert kept.keys.section_names.tolist() == 24 * ["big"] + 6 * ["small"]
    assert kept.values[:, 0].astype(int).tolist() == [int(spot) for spot in kept.keys.spot]


def test_a_model_of_bags_is_refused(explained, tmp_path):
    class OfBags(Blind):
        item = "bag"

    request = explained.request(model=OfBags(explained.n_genes))
    with pytest.raises(DataContractError, match="all tiles of a patient as one"):
        explained.answer("latent", tmp_path / "out", request)


def test_wrong_settings_come_at_once(explained, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(DataContractError) as error:
        explained.answer("latent", out, sections="P8S1", labels={"P7S1": tmp_path})
    where = [problem.where for problem in error.value.problems]
    assert where == ["section P8S1", "labels P7S1"]
    wrong = tmp_path / "labels.csv"
    wrong.write_text("spot,label\nelsewhere,stroma\n")
    with pytest.raises(DataContractError, match="none of them of this section"):
        explained.answer("latent", out, labels={"P3S1": wrong})
    with pytest.raises(DataContractError, match="not one of the chosen sections"):
        explained.answer("latent", out, sections=["P1S1"], labels={"P3S1": wrong})
    assert not out.exists()
