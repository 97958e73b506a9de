"""The question `together`: its answer, its files, and what it refuses."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoscribe.data.genesets import open_gene_sets
from histoscribe.errors import DataContractError
from histoscribe.explain.run import explain
from histoscribe.progress import told_to
from histoscribe.types import Cohort, CohortEntry, Section
from tests.explain.together.toy import (
    HELD_OUT,
    N_GENES,
    PROGRAMMES,
    toy_cohort,
    toy_predictor,
    toy_sets,
)


def _of_small_sets(settings):
    """Gene sets as read, also those with few genes."""
    return replace(open_gene_sets(settings), min_members=4)


@pytest.fixture(scope="module", autouse=True)
def small_sets():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.explain.together.plan.open_gene_sets", _of_small_sets)
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.explain.together.agreement.N_MOVED", 39)
        yield


@pytest.fixture(scope="module")
def planted():
    cohort = toy_cohort(0)
    return toy_predictor(cohort), cohort


@pytest.fixture(scope="module")
def answered(planted, tmp_path_factory):
    folder = tmp_path_factory.mktemp("together")
    wishes = {"sets": str(toy_sets(folder)), "pairs": ["G0:G1", "G0:G7"], "shuffles": 3}
    return explain("together", *planted, out=folder / "answer", **wishes), wishes


def test_planted_programmes_are_carried_and_found(answered):
    finding, _ = answered
    assert finding.number("carried").value > 0.1
    assert finding.number("carried").value > finding.chance("carried_moved_measured").high
    assert finding.number("p_alike").value == 0.001
    assert finding.number("sets_in_programmes").value >= 2
    assert finding.number("alike_G0:G1").value > 0.9
    assert abs(finding.number("alike_G0:G7").value) < 0.6
    as_measured = finding.chance("carried_as_measured").value
    assert finding.number("carried").value < as_measured < 1
    for number in finding.statistic:
        chance = finding.chance(number.name)
        assert chance.low is not None, number.name


def test_it_writes_figures_and_tables_and_nothing_else(answered):
    finding, _ = answered
    names = {path.name for path in finding.folder.iterdir()}
    assert names == {
        *("together.png", "pairs.png", "pairs.csv", "programmes.csv", "genes.csv"),
        *("sections.csv", "question.json", "finding.json"),
    }
    pairs = pd.read_csv(finding.folder / "pairs.csv")
    assert len(pairs) == N_GENES * (N_GENES - 1) // 2
    assert pairs["named"].tolist()[:3] == [True, True, False]
    assert set(zip(pairs["gene_1"][:2], pairs["gene_2"][:2], strict=True)) <= set(
        [("G0", "G1"), ("G1", "G0"), ("G0", "G7"), ("G7", "G0")]
    )
    genes = pd.read_csv(finding.folder / "genes.csv").set_index("gene")
    assert len(genes) == N_GENES
    programmes = pd.read_csv(finding.folder / "programmes.csv")
    assert programmes["n_genes"].min() >= 3
    assert set(programmes["set"]) <= set(PROGRAMMES)
    sections = pd.read_csv(finding.folder / "sections.csv")
    assert sections["unit"].tolist() == ["section", "patient"]
    assert sections["name"].tolist() == [f"{HELD_OUT}S", HELD_OUT]


def test_the_images_of_the_training_are_those_of_the_question(answered, planted):
    finding, _ = answered
    record = json.loads((finding.folder / "question.json").read_text())
    assert sorted(record["images"]) == sorted(record["spots"]) == sorted(planted[1].ids)


def test_the_same_question_gives_the_same_bytes(answered, planted, tmp_path):
    finding, wishes = answered
    again = explain("together", *planted, out=tmp_path / "again", **wishes)
    for path in sorted(finding.folder.iterdir()):
        assert path.read_bytes() == (again.folder / path.name).read_bytes(), path.name


def test_a_few_named_genes_and_those_of_pairs_are_compared(planted):
    finding = explain(
        "together",
        *planted,
        genes=[f"G{gene}" for gene in range(7)],
        pairs="G8:G0",
        sets="none",
        shuffles=3,
    )
    assert finding.about["genes"].startswith("8,")
    with pytest.raises(KeyError):
        finding.number("sets_in_programmes")


def test_long_work_says_its_estimate_first(planted, monkeypatch):
    lines = []
    monkeypatch.setattr("histoscribe.explain.estimate.WORTH_TELLING_S", 0.0)
    with told_to(lines.append):
        explain("together", *planted, sets="none", shuffles=3)
    for start in ("3 trainings on shuffled rows: about ", "measured values moved 39 times: about "):
        assert any(line.startswith(start) for line in lines), lines


def changed(cohort, **held_out):
    """The cohort with its held-out section changed."""
    sections = list(cohort)
    last = sections[-1]
    facts = {"patient": last.patient, "counts": last.counts, "rows": None, **held_out}
    section = Section(last.id, facts["patient"], last.slide, last.spots, facts["counts"])
    sections[-1] = section if facts["rows"] is None else section.take(facts["rows"])
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def test_all_that_is_wrong_with_a_question_is_said_at_once(planted, tmp_path):
    predictor, cohort = planted
    with pytest.raises(DataContractError) as error:
        explain(
            "together",
            predictor,
            cohort,
            genes=["G1", "G99"],
            pairs=["G1:G77", "G5", "G2:G2", "G3:G3:G4"],
            sections=["P9S"],
            sets=str(tmp_path / "missing.gmt"),
        )
    words = "\n".join(map(str, error.value.problems))
    for part in (
        "G99",
        "G77",
        "pair G5",
        "pair G2:G2",
        "pair G3:G3:G4",
        "section P9S",
        "missing.gmt",
    ):
        assert part in words, part


def test_id_and_symbol_of_one_gene_are_no_pair(planted, monkeypatch):
    predictor, cohort = planted
    symbols = tuple(gene.replace("G", "SYM") for gene in predictor.target.genes)
    monkeypatch.setattr(type(predictor), "gene_names", symbols)
    with pytest.raises(DataContractError, match="pair G3:SYM3: no two different genes") as error:
        explain("together", predictor, cohort, pairs=["G3:SYM3", "G3:SYM4"], sets="none")
    assert len(error.value.problems) == 1


def test_a_missing_gene_of_a_pair_is_named_with_the_near_ones(planted):
    with pytest.raises(
        DataContractError, match=r"gene G111: no gene of[^$]*did you mean G11 or G1"
    ):
        explain("together", *planted, pairs="G1:G111", sets="none")


@pytest.mark.parametrize(
    ("held_out", "wishes", "words"),
    [
        ({"patient": "P0"}, {}, "all of its patients were in the training"),
        ({"counts": None}, {}, "no counts"),
        ({"rows": np.arange(40)}, {}, "40 spots"),
        ({}, {"genes": ["G0", "G1", "G2"]}, "3 genes that vary"),
        ({}, {"sections": "P0S"}, "section P0S was in training"),
        ({}, {"sets": "catalog:hallmark"}, "give another file, or `none`"),
    ],
)
def test_what_cannot_be_compared_is_refused(planted, held_out, wishes, words):
    predictor, cohort = planted
    with pytest.raises(DataContractError, match=words):
        explain("together", predictor, changed(cohort, **held_out), **{"sets": "none", **wishes})


def test_training_sections_that_are_missing_are_named(planted):
    predictor, cohort = planted
    with pytest.raises(DataContractError, match="no section P0S, P1S"):
        explain("together", predictor, cohort.subset(["P2S", "P3S"]), sets="none")
