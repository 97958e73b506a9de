"""`explain genes`: well-predicted sets, named biomarkers, and a list that names its patients."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.data.target import TargetSettings
from histoscribe.errors import DataContractError
from histoscribe.explain.run import explain
from histoscribe.predictor.gene_scores import GENE_SCORE_COLUMNS, Benchmarked, GeneScores
from histoscribe.train.settings import dump_settings, read_settings
from histoscribe.types import BenchmarkCard
from tests.benchmark.runs import tiny_settings
from tests.explain.planted import number

UNSCORED = 1
"""Gene without a score."""


@pytest.fixture(autouse=True)
def small_figures(monkeypatch):
    monkeypatch.setattr("histoscribe.plot.canvas._DPI", 20)


@pytest.fixture
def sets(explained, tmp_path):
    """A set of the first ten scored genes, and one of the last five."""
    genes = np.delete(explained.predictor.target.genes, UNSCORED)
    path = tmp_path / "sets.gmt"
    rows = (["FIRST", "", *genes[:10]], ["L", "", *genes[-5:]])
    path.write_text("\n".join("\t".join(row) for row in rows))
    return path


def scored(explained, patients=("P1", "P2")):
    """The predictor with planted scores: even columns and the last are above their band."""
    n_genes = explained.n_genes
    columns = {name: np.linspace(0.1, 0.5, n_genes) for name in GENE_SCORE_COLUMNS}
    even = np.arange(n_genes) % 2 == 0
    columns["null_high"] = np.where(even, 0.05, 0.49)
    columns["q"] = np.where(even, 0.01, 0.6)
    for values in columns.values():
        values[UNSCORED] = np.nan
    card = BenchmarkCard(
        protocol="patient",
        patients=patients,
        folds_sha256="ab",
        sections=tuple(f"{patient}S1" for patient in patients),
        scores={},
    )
    return replace(explained.predictor, benchmark=Benchmarked(GeneScores(columns), card))


def test_tables_have_every_set_gene_and_biomarker(explained, sets, tmp_path):
    predictor, out = scored(explained), tmp_path / "out"
    label = predictor.gene_labels
    biomarkers = (label[2], predictor.target.genes[3], label[UNSCORED], "ESR1")
    asked = {"gene_sets": str(sets), "biomarkers": biomarkers}
    finding = explain("genes", predictor, explained.manifest, out=out, **asked)
    table = pd.read_csv(out / "gene-sets.csv")
    assert table["set"].tolist() == ["FIRST", "L"]
    assert table["n_scored"].tolist() == [10, 5]
    score = np.delete(predictor.gene_scores.columns["pcc_given_depth"], UNSCORED)
    assert table["mean_score"][0] == pytest.approx(score[:10].mean(), rel=1e-5)
    assert np.isnan(table["p"][1]), "too few genes"
    named = pd.read_csv(out / "biomarkers.csv")
    assert named["trust"].tolist() == [
        *("above the band, q < 0.05", "not above the band", "not scored", "not in the panel")
    ]
    genes = pd.read_csv(out / "gene-scores.csv")
    assert genes["gene"].tolist() == list(predictor.target.genes)
    assert (genes["counts_per_10000"] > 0).all()
    assert number(finding.statistic, "genes_above_band") == 7
    assert (
        number(finding.statistic, "genes_above_chance")
        == (genes["trust"] == "above the band, q < 0.05").sum()
    )
    caveats = " ".join(finding.caveat)
    for words in ("2 patients", "1 of 12 genes", "1 gene sets", "Not in the panel: ESR1"):
        assert words in caveats
    again = explain("genes", predictor, explained.manifest, out=tmp_path / "again", **asked)
    for name in ("finding.json", "question.json", "gene-sets.png", *finding.files):
        assert (out / name).read_bytes() == (again.folder / name).read_bytes()


def test_the_list_names_its_patients_and_no_run_that_tests_them_takes_it(explained, sets, tmp_path):
    predictor = scored(explained)
    explain("genes", predictor, explained.manifest, gene_sets=str(sets), out=tmp_path / "out")
    path = tmp_path / "out" / "predictable-genes.txt"
    target = TargetSettings(panel="list", genes=str(path))
    assert target.genes == (*predictor.target.genes[::2], predictor.target.genes[-1])
    assert target.scored_patients == ("P1", "P2")
    for words in (predictor.name, "protocol patient", "the same patients are too"):
        assert words in path.read_text()

    def run(**folds):
        listed = {"panel": "list", "genes": str(path)}
        return tiny_settings(explained.manifest, models=["mean"], target=listed, folds=folds)

    where = {"weights": {}, "cache": tmp_path / "cache"}
    with pytest.raises(DataContractError, match="scores on patients P1, P2, whom this run tests"):
        benchmark(settings=run(), out=tmp_path / "run", cache=tmp_path / "cache")
    (tmp_path / "run.toml").write_text(dump_settings(run()))
    again = read_settings(tmp_path / "run.toml")
    assert again.target == target, "a run started again knows it, too"
    make_plan(run(test=[["P3"]]), tmp_path, **where)
    make_plan(run(protocol="section", leaks=["panel"]), tmp_path, **where)


def test_scores_of_patients_outside_training_give_no_list(explained, sets, tmp_path):
    predictor, out = scored(explained, ("P1", "P3")), tmp_path / "out"
    finding = explain("genes", predictor, explained.manifest, gene_sets=str(sets), out=out)
    assert "predictable-genes.txt is not written: the scores are of P3 too" in finding.caveat[-1]
    assert not (out / "predictable-genes.txt").exists()


def test_a_constant_prediction_finds_nothing(explained, sets, tmp_path):
    predictor = scored(explained)
    columns = {name: np.zeros(explained.n_genes) for name in GENE_SCORE_COLUMNS}
    columns["q"] += 0.6
    flat = replace(predictor.benchmark, gene_scores=GeneScores(columns))
    finding = explain(
        "genes", replace(predictor, benchmark=flat), explained.manifest, gene_sets=str(sets)
    )
    assert number(finding.statistic, "sets_enriched") == 0
    assert np.isnan(number(finding.statistic, "score_with_expression"))
    assert "no gene is above its shuffled band" in finding.caveat[-1]


def test_what_is_missing_is_told_with_the_way_to_get_it(explained, sets, tmp_path):
    with pytest.raises(DataContractError, match="no scores of genes") as error:
        explain("genes", explained.predictor, explained.manifest, gene_sets=str(sets))
    assert "histoscribe benchmark" in error.value.problems[0].remedy
    other = scored(explained, ("P1", "P9"))
    with pytest.raises(DataContractError, match="no section P9S1, only P1S1, P2S1, P3S1"):
        explain("genes", other, explained.manifest, gene_sets=str(sets))
    foreign = tmp_path / "other.gmt"
    foreign.write_text("S\t\tXA\tXB\n")
    with pytest.raises(DataContractError, match="no gene of the panel"):
        explain("genes", scored(explained), explained.manifest, gene_sets=str(foreign))


def test_a_line_of_scored_patients_that_is_no_list_is_refused(tmp_path):
    path = tmp_path / "genes.txt"
    for wrong in ("P1, P2", '{"P1": 1}', "[1]"):
        path.write_text(f"# scored-patients: {wrong}\nACTB\n")
        with pytest.raises(ValueError, match="is no list of names"):
            TargetSettings(panel="list", genes=str(path))
    with pytest.raises(ValueError, match="is for panel = 'list' only"):
        TargetSettings(scored_patients=("P1",))
