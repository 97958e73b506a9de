"""The question `faults`: its answer, its files, and what it refuses."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.faults.facts import PatientFacts
from histoscribe.explain.run import explain
from histoscribe.progress import told_to
from histoscribe.types import Cohort, CohortEntry, Section
from tests.explain.faults.toy import (
    COMMON,
    RARE,
    SIDE,
    random_predictor,
    together,
    toy_cohort,
    toy_predictor,
)

SUBTYPES = [COMMON] * 4 + [RARE] * 2


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


@pytest.fixture(scope="module")
def cohort():
    training = toy_cohort(900, [COMMON] * 5 + [RARE], first=100)
    return together(toy_cohort(0, SUBTYPES), training)


@pytest.fixture(scope="module")
def labels(cohort, tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("labels"), {}
    for id_ in ("P0S", "P1S", "P100S"):
        spots = cohort[id_].spots
        side = np.where(spots.xy[:, 0] < np.median(spots.xy[:, 0]), "left", "right")
        files[id_] = folder / f"{id_}.csv"
        pd.DataFrame({"spot": spots.ids, "label": side}).to_csv(files[id_], index=False)
    return files


@pytest.fixture(scope="module")
def answered(cohort, labels, tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "answer"
    return explain("faults", toy_predictor(), cohort, out=folder, labels=labels)


def test_it_writes_figures_and_tables_and_the_same_bytes_again(answered, cohort, labels, tmp_path):
    names = {path.name for path in answered.folder.iterdir()}
    files = {"errors.png", "known-facts.png", "classes.csv", "known-facts.csv", "spots.csv"}
    assert names == files | {"question.json", "finding.json"}
    again = explain("faults", toy_predictor(), cohort, out=tmp_path / "again", labels=labels)
    for path in answered.folder.iterdir():
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_every_number_stands_beside_its_chance(answered):
    for number in answered.statistic:
        chance = answered.chance(number.name)
        assert chance.low <= chance.value <= chance.high, number.name


def test_only_held_out_patients_count_and_training_spots_stand_beside_them(answered):
    spots = pd.read_csv(answered.folder / "spots.csv")
    assert set(spots["patient"]) == {f"P{number}" for number in range(6)}
    assert spots["error"].is_monotonic_decreasing
    assert spots["error_of_training_mean"].mean() == pytest.approx(1, abs=1e-3)
    classes = pd.read_csv(answered.folder / "classes.csv").set_index(["division", "class"])
    rare, label = classes.loc[("subtype", RARE)], classes.loc[("label", "left")]
    assert (rare["n_patients"], rare["n_spots"]) == (2, 2 * SIDE**2)
    assert rare["n_training_spots"] == SIDE**2
    assert rare["share_of_training"] == pytest.approx(1 / 6, abs=1e-4)
    assert label["n_training_spots"] == (SIDE**2) / 2
    assert label["n_patients"] == 2
    assert classes.loc["depth", "n_training_spots"].sum() == 6 * SIDE**2
    of_patient = spots.groupby("patient")["error"].mean()
    assert rare["error"] == pytest.approx(of_patient[["P4", "P5"]].mean(), rel=1e-4)


def test_fewer_than_six_patients_are_listed_without_a_range():
    finding = explain("faults", toy_predictor("ridge"), toy_cohort(0, SUBTYPES[1:]))
    assert finding.chance("error_subtype_rare").low is None
    assert finding.chance("gap_depth").low is not None  # spots of sections have one
    assert any("5 held-out patients" in words for words in finding.caveat)
    assert any("no layer between" in words for words in finding.caveat)
    with pytest.raises(KeyError):
        finding.number("knows_site")


def test_no_class_is_named_where_the_cohort_lacks_training_sections(answered, tmp_path):
    classes = pd.read_csv(answered.folder / "classes.csv").set_index("division")
    assert classes.loc["subtype", "under_represented"].notna().all()
    training = toy_cohort(900, [COMMON] * 3, first=100)
    given = together(toy_cohort(0, SUBTYPES), training)
    finding = explain("faults", toy_predictor(), given, out=tmp_path / "answer")
    assert finding.caveat[0] == (
        "Under-represented in training: not known, for the cohort lacks 3 training sections. "
        "Give them to have classes named."
    )
    classes = pd.read_csv(finding.folder / "classes.csv").set_index("division")
    assert classes["under_represented"].isna().all()
    assert classes.loc["subtype", "n_training_spots"].tolist() == [3 * SIDE**2, 0]


def test_errors_are_of_the_genes_that_all_sections_measured(tmp_path):
    cohort, spots = toy_cohort(0, SUBTYPES), []
    for name, lacking in (("one", ["P5S"]), ("all", cohort.ids)):
        given = without_genes(cohort, {id_: range(8, 12) for id_ in lacking})
        finding = explain("faults", toy_predictor("ridge"), given, out=tmp_path / name)
        words = "Errors are of the 8 of 12 genes that all held-out sections measured."
        assert words in finding.caveat
        spots.append(pd.read_csv(finding.folder / "spots.csv"))
    pd.testing.assert_frame_equal(*spots)
    given = without_genes(cohort, {"P0S": range(6), "P1S": range(6, 12)})
    with pytest.raises(DataContractError, match=r"no gene of .* that all 6 measured"):
        explain("faults", toy_predictor("ridge"), given)


def test_the_experiment_keeps_held_out_patients_and_takes_out_those_of_the_class(tmp_path):
    cohort = toy_cohort(0, [COMMON] * 3 + [RARE] * 4)
    asked = {"reduce": "subtype=rare", "draws": 2}
    lines = []
    with told_to(lines.append), pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
        finding = explain("faults", toy_predictor("ridge"), cohort, out=tmp_path / "one", **asked)
    assert lines[0].startswith("12 trainings at most: about ")
    table = pd.read_csv(finding.folder / "reduction.csv")
    given = table[table["classes"] == "as given"]
    assert sorted(set(given["class_patients_in_training"])) == [0, 1, 2, 3]
    assert (given.groupby(["draw", "held_out"])["held_out_patients"].nunique() == 1).all()
    assert set(given.loc[given["held_out"] == "class", "held_out_patients"]) <= {
        f"P{number}" for number in range(3, 7)
    }
    assert {number.name for number in finding.statistic} == {"fall_class", "fall_others"}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"facts": ["subtyp"]}, "did you mean subtype"),
        ({"facts": ["lab"]}, "are all one-lab"),
        ({"facts": ["block"]}, "differs between sections of one patient"),
        ({"sections": ["P9S"]}, "no such section"),
        ({"labels": {"P0S": "no.csv"}}, "no such file"),
        ({"sections": ["P0S"], "reduce": "subtype=rare"}, "are all common"),
        ({"reduce": "subtype=rar"}, "did you mean rare"),
        ({"reduce": "subtyp=rare"}, "did you mean subtype"),
        ({"reduce": "subtype=rare"}, "2 patients of the class and 4 others"),
        ({"reduce": "rare"}, "reduce"),
    ],
)
def test_what_cannot_be_compared_is_refused(settings, words):
    with pytest.raises(DataContractError, match=words):
        explain("faults", toy_predictor("ridge"), marked(toy_cohort(0, SUBTYPES)), **settings)


def test_a_column_with_the_name_of_a_division_is_refused():
    sections = [
        replace(of, facts={"depth": of.facts["site"], "label": of.facts["site"], **of.facts})
        for of in toy_cohort(0, SUBTYPES)
    ]
    cohort = cohort_of(sections)
    for settings, n_problems in (({}, 2), ({"facts": ["label", "site"]}, 1)):
        with pytest.raises(DataContractError, match="has a division of this name") as error:
            explain("faults", toy_predictor("ridge"), cohort, **settings)
        assert len(error.value.problems) == n_problems


def test_training_patients_and_sections_without_counts_are_refused(tmp_path):
    with pytest.raises(DataContractError, match="no section of a patient whom"):
        explain("faults", toy_predictor(), toy_cohort(900, [COMMON] * 6, first=100))
    bare = [replace(section, counts=None) for section in toy_cohort(0, SUBTYPES)]
    without = cohort_of(bare)
    for settings in ({}, {"reduce": "subtype=rare"}):
        with pytest.raises(DataContractError, match="no counts"):
            explain("faults", toy_predictor(), without, **settings)
    lost = replace(random_predictor(0), folder=tmp_path)
    with pytest.raises(DataContractError, match=r"no settings\.toml"):
        explain("faults", lost, toy_cohort(0, SUBTYPES), reduce="subtype=rare")


def test_all_problems_are_told_at_once():
    with pytest.raises(DataContractError) as error:
        explain("faults", toy_predictor(), toy_cohort(0, SUBTYPES), facts=["subtyp", "sit"])
    assert len(error.value.problems) == 2


def test_the_site_of_a_barcode_is_a_fact():
    sections = [
        replace(of, patient=f"TCGA-{site}-{number}")
        for number, (of, site) in enumerate(zip(toy_cohort(0, SUBTYPES), "AABBCC", strict=True))
    ]
    entries = [CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections]
    facts = PatientFacts.of_cohort(Cohort(entries))
    assert set(facts.of_patient["site"].values()) == {"A", "B", "C"}
    assert facts.compared({of.patient for of in sections}) == ("site",)


def marked(cohort: Cohort) -> Cohort:
    """One laboratory, and a block that differs between the sections of the first patient."""
    sections = [replace(of, facts={**of.facts, "lab": "one-lab", "block": of.id}) for of in cohort]
    sections.append(replace(sections[0], id="P0S2", facts={"block": "another"}))
    return cohort_of(sections)


def without_genes(cohort: Cohort, lacking: Mapping[str, Sequence[int]]) -> Cohort:
    """Genes at these places of some sections under other ids, so that totals stay."""
    sections = []
    for section in cohort:
        of = set(lacking.get(section.id, ()))
        ids = (f"X{at}" if at in of else id_ for at, id_ in enumerate(section.counts.gene_ids))
        sections.append(replace(section, counts=replace(section.counts, gene_ids=tuple(ids))))
    return cohort_of(sections)


def cohort_of(sections: Sequence[Section]) -> Cohort:
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of, of.facts) for of in sections])
