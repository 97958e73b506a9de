"""`explain latent`: numbers of the representation, beside chance and what was known before."""

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.latent.purity import nearest, nearest_within, own_share, shuffled_share
from histoscribe.explain.questions import explain
from histoscribe.explain.representation import Representation, Who, drawn
from histoscribe.io.cohorts.cohort import read_cohort
from tests.explain.planted import Blind, number


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


def write_labels(explained, section, path):
    """Label spots by the feature that varies most, which decides who is nearest."""
    asked = explained.asked()
    feature = asked.predictor.queries(asked.cohort[section], asked.cache).feature
    column = feature[:, feature.var(axis=0).argmax()]
    label = np.where(column > np.median(column), "dense", "loose")
    table = pd.DataFrame({"spot": asked.cohort[section].spots.ids, "label": label})
    table.to_csv(path, index=False)


def test_neighbours_of_a_planted_kind_are_found_and_shuffled_ones_are_not():
    rng = np.random.default_rng(0)
    kind = np.repeat(["a", "b"], 60)
    points = rng.normal(size=(120, 5)) + 20.0 * (kind == "a")[:, None]
    beside = nearest(points)
    assert (beside != np.arange(120)[:, None]).all()
    assert own_share(beside, kind.tolist()).mean() == 1
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
    asked = explained.asked(labels={"P3S1": tmp_path / "labels.csv"})
    finding = explain("latent", asked, tmp_path / "out")
    table = pd.read_csv(tmp_path / "out" / "latent.csv", keep_default_na=False)
    cohort = read_cohort(explained.manifest)
    assert len(table) == sum(len(section.spots) for section in cohort)
    assert set(table.loc[table["section"] == "P3S1", "label"]) == {"dense", "loose"}
    assert set(table.loc[table["section"] != "P3S1", "label"]) == {""}
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
    asked = explained.asked(
        model=Blind(explained.n_genes),
        sections=("P3S1",),
        labels={"P3S1": tmp_path / "labels.csv"},
    )
    finding = explain("latent", asked, tmp_path / "out")
    chance = next(item for item in finding.null if item.name == "same_label")
    found = number(finding.statistic, "same_label")
    assert found > chance.high
    assert found == number(finding.null, "same_label_in_features"), "it represents the features"
    assert any("one patient" in words for words in finding.caveat)


def test_the_same_question_gives_the_same_bytes(explained, tmp_path):
    for name in ("one", "two"):
        explain("latent", explained.asked(sections=("P1S1", "P3S1")), tmp_path / name)
    for file in ("asked.json", "finding.json", "latent.csv", "latent.png"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_of_very_many_spots_each_section_keeps_its_share(monkeypatch):
    monkeypatch.setattr("histoscribe.explain.representation.MOST_SPOTS", 30)
    who = tuple(Who("big" if i < 80 else "small", "P", str(i), None) for i in range(100))
    values = np.arange(100.0)[:, None]
    kept = drawn(Representation(values, values, np.zeros((100, 2)), who), 0)
    assert kept.section.count("big") == 24
    assert kept.section.count("small") == 6
    assert [int(value) for value in kept.values[:, 0]] == [int(one.spot) for one in kept.who]


def test_wishes_that_do_not_do_come_at_once(explained, tmp_path):
    asked = explained.asked(sections=("P8S1",), gene="X", spots=("a",), labels={"P7S1": tmp_path})
    with pytest.raises(DataContractError) as error:
        explain("latent", asked, tmp_path / "out")
    where = [problem.where for problem in error.value.problems]
    assert where == ["--gene X", "--spot a", "--section P8S1", "--labels P7S1"]
    wrong = tmp_path / "labels.csv"
    wrong.write_text("spot,label\nelsewhere,stroma\n")
    with pytest.raises(DataContractError, match="none of them of this section"):
        explain("latent", explained.asked(labels={"P3S1": wrong}), tmp_path / "out")
    assert not (tmp_path / "out").exists()
