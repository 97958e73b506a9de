"""`pathways`: what an answer holds, what it refuses, and that asking changes no bit."""

import json

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.pathways.reading import read_pathways
from histoscribe.explain.run import explain
from histoscribe.io.weights import cache_folder
from histoscribe.progress import told_to
from histoscribe.types import Cohort, CohortEntry, Section
from tests.explain.memory.toy import toy_predictor as without_pathways
from tests.explain.pathways.toy import N_PATIENTS, SETS, SIDE, fields, toy_cohort, toy_predictor

BORDER = "inside"


@pytest.fixture(scope="module")
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        yield


@pytest.fixture(scope="module")
def asked(small, tmp_path_factory):
    """An answer with labels of one section, and its settings."""
    folder = tmp_path_factory.mktemp("pathways")
    table = labels(folder / "labels.csv", np.where(fields(0, 4)[:, 0] > 0, BORDER, "outside"))
    settings = {"labels": {"P4S": table}, "border": BORDER}
    finding = explain("pathways", toy_predictor(), toy_cohort(0), out=folder / "one", **settings)
    return finding, settings


def labels(path, words):
    """A table of labels of all spots of a toy section."""
    frame = pd.DataFrame({"spot": [f"s{spot}" for spot in range(SIDE**2)], "label": words})
    frame.to_csv(path, index=False)
    return path


def problems(error):
    return "\n".join(f"{of.where}: {of.found}; {of.expected}" for of in error.value.problems)


def test_every_number_has_its_value_by_chance(asked):
    finding, _ = asked
    names = [number.name for number in finding.statistic]
    assert names == ["r_score", "r_attention", "r_coactivity", "r_border", "auroc_weight_added"]
    for name in names:
        chance = finding.chance(name)
        assert chance.low < chance.high
        ranges = [
            of for of in finding.null if of.name.startswith(f"{name}_") and of.low is not None
        ]
        assert all(chance.low <= of.low <= of.high <= chance.high for of in ranges)


def test_a_programme_is_found_by_genes_that_no_training_used(asked):
    finding, _ = asked
    assert finding.number("r_score").value > finding.chance("r_score").high
    table = pd.read_csv(finding.folder / "pathways.csv")
    assert set(table["pathway"]) == set(SETS)
    assert (table["n_genes"] == 10).all()
    assert (table["r_score"] > table["r_score_random_sets_high"]).all()


def test_scores_and_measured_activity_change_alike_at_the_border(asked):
    finding, _ = asked
    table = pd.read_csv(finding.folder / "border.csv").query("pathway == 'SET_0' and n_spots >= 5")
    inside, outside = table[table["to_um"] <= 0], table[table["from_um"] >= 0]
    for column in ("score", "measured"):
        assert inside[column].mean() > outside[column].mean() + 0.5


@pytest.mark.slow
def test_the_same_question_gives_the_same_bytes(asked, tmp_path):
    finding, settings = asked
    explain("pathways", toy_predictor(), toy_cohort(0), out=tmp_path / "two", **settings)
    files = sorted(path.name for path in finding.folder.iterdir() if path.is_file())
    assert "training" not in files
    for name in files:
        same = (tmp_path / "two" / name).read_bytes()
        assert (finding.folder / name).read_bytes() == same, name


def test_what_is_told_names_half_of_the_genes_and_the_settings(asked):
    finding, _ = asked
    about = json.loads((finding.folder / "question.json").read_text())
    assert about["training"].startswith("without half of the genes of each set")
    assert about["sections"] == "P4S P5S"
    assert any("trained again" in words for words in finding.caveat)


def test_scores_are_those_of_the_prediction_to_the_bit(small):
    predictor, section = toy_predictor(), toy_cohort(0)["P4S"]
    before = predictor(section, keep_unlike=True).head.evidence["pathways"]
    (reading,) = read_pathways(predictor, [predictor.model], section, cache_folder())
    after = predictor(section, keep_unlike=True).head.evidence["pathways"]
    assert np.array_equal(reading.scores, before.astype(np.float64))
    assert np.array_equal(before, after)
    whole = np.exp(reading.attention).sum(axis=1) + reading.between.sum(axis=2)
    assert (whole <= 1 + 1e-6).all()


def test_without_retraining_genes_outside_the_panel_are_taken(small, monkeypatch):
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    predictor, lines = toy_predictor(panel="half"), []
    with told_to(lines.append):
        finding = explain("pathways", predictor, toy_cohort(0), retrain=False, pathways="SET_2")
    assert lines[0].startswith("co-activity of 199 draws of random sets, by section: about ")
    assert finding.number("r_score").value > finding.chance("r_score").high
    assert finding.about["training"] == "none: the predictor as it is"


def test_wrong_requests_are_refused_with_all_problems(tmp_path):
    cohort, predictor = toy_cohort(0), toy_predictor()
    with pytest.raises(DataContractError) as error:
        explain("pathways", without_pathways(), cohort)
    assert "gives no spot scores of pathways" in problems(error)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort, sections=["P9S"], labels={"P8S": "no.csv"})
    assert "section P9S" in problems(error)
    assert "labels P8S" in problems(error)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort, sections=["P0S"], pathways=["SET_9"], border="x")
    assert "was trained on it" in problems(error)
    assert "no such pathway" in problems(error)
    assert "a border, and no labels" in problems(error)
    table = labels(tmp_path / "one.csv", [BORDER] * SIDE**2)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort, labels={"P4S": table}, border=BORDER)
    assert "a border has two sides" in problems(error)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort, labels={"P4S": table}, border="tumour")
    assert "the labels inside" in problems(error)


def test_sections_that_cannot_be_used_are_refused():
    cohort, predictor = toy_cohort(0), toy_predictor()
    trained = [f"P{number}S" for number in range(4)]
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort.subset(trained))
    assert "only patients whom" in problems(error)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort.subset(["P4S"]))
    assert "no section P0S, P1S, P2S, P3S, only P4S" in problems(error)
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, cohort.subset([*trained[1:], "P4S"]))
    assert "the cohort: no section P0S, only P1S, P2S, P3S, P4S" in problems(error)
    old = cohort["P4S"]
    bare = Section(old.id, old.patient, old.slide, old.spots, None)
    some = [cohort[f"P{number}S"] for number in range(N_PATIENTS) if number != 4]
    entries = [CohortEntry(of.id, of.patient, lambda of=of: of) for of in [*some, bare]]
    with pytest.raises(DataContractError) as error:
        explain("pathways", predictor, Cohort(entries))
    assert "section P4S: no counts" in problems(error)


def test_too_few_genes_outside_the_panel_are_named():
    with pytest.raises(DataContractError) as error:
        explain("pathways", toy_predictor(), toy_cohort(0), retrain=False)
    assert "too few genes of every set outside the panel" in problems(error)
