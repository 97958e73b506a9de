"""Scores of each gene: read by name, kept with the predictor, and only from the same model."""

import csv
import json
import math
import shutil

import numpy as np
import pytest

from histoscribe.benchmark.run import benchmark
from histoscribe.errors import DataContractError
from histoscribe.io.checksums import write_checksums
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.metrics.chance import ChanceCount
from histoscribe.predictor.gene_scores import (
    GENE_SCORE_COLUMNS,
    GeneScores,
    gene_scores_text,
    read_gene_scores,
)
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.run import train
from histoscribe.train.settings import dump_settings
from tests.benchmark.runs import tiny_cohort, tiny_settings

HEADER = ",".join(["model", "gene", *GENE_SCORE_COLUMNS])


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A cohort, a finished benchmark of it and the settings of one predictor."""
    folder = tmp_path_factory.mktemp("trust")
    manifest = tiny_cohort(folder / "cohort", n_patients=2)
    settings = tiny_settings(manifest, models=["mean", "ridge"], target={"n_genes": 5})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)
        benchmark(settings=settings, out=folder / "run", cache=folder / "cache")
    return folder


def settings_of(place, **changes):
    manifest = next((place / "cohort").glob("*.csv"))
    return tiny_settings(manifest, **{"models": ["ridge"], "target": {"n_genes": 5}, **changes})


def trained(place, out, run="run", **changes):
    given = None if run is None else place / run
    settings = settings_of(place, **changes)
    return train(settings=settings, out=out, cache=place / "cache", scores=given)


@pytest.fixture(scope="module")
def scored(place):
    return trained(place, place / "scored")


def table(path, model="ridge"):
    with path.open(newline="") as file:
        return {row["gene"]: row for row in csv.DictReader(file) if row["model"] == model}


def files_of(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_rows_are_matched_by_gene_and_model_and_the_rest_is_unknown(tmp_path):
    (tmp_path / "genes.csv").write_text(
        f"{HEADER}\nridge,B,0.5,0.25,-0.1,0.1,0.01,0.75,2\nmean,A,9,9,9,9,9,9,9\n"
        "ridge,C,,0.125,,,,1,\n"
    )
    gene_scores = read_gene_scores(tmp_path / "genes.csv", "ridge", ("A", "B", "C"))
    np.testing.assert_array_equal(gene_scores.columns["pcc"], [np.nan, 0.5, np.nan])
    np.testing.assert_array_equal(gene_scores.columns["pcc_given_depth"], [np.nan, 0.25, 0.125])
    np.testing.assert_array_equal(gene_scores.columns["skewness"], [np.nan, 2, np.nan])
    assert gene_scores.count() == ChanceCount(n_genes=1, n_above_band=1, n_above_chance=1)
    assert gene_scores.above_chance().tolist() == [False, True, False]


def test_what_is_written_is_read_back_to_the_bit(tmp_path):
    rng = np.random.default_rng(0)
    genes = ("A", "B,with comma", "C")
    columns = {name: rng.normal(size=3) for name in GENE_SCORE_COLUMNS}
    columns["q"][1] = np.nan
    text = gene_scores_text(GeneScores(columns), "ridge", genes)
    (tmp_path / "genes.csv").write_text(text)
    again = read_gene_scores(tmp_path / "genes.csv", "ridge", genes)
    for name, values in columns.items():
        np.testing.assert_array_equal(again.columns[name], values)
    assert gene_scores_text(again, "ridge", genes) == text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("model,gene,pcc\nridge,A,1\n", "no column pcc_given_depth"),
        (f"{HEADER}\nmean,A,1,1,1,1,1,1,1\n", "models mean"),
        (f"{HEADER}\nridge,A,high,1,1,1,1,1,1\n", "high"),
        (f"{HEADER}\nridge,A,1,1\n", "ends early"),
    ],
)
def test_a_table_that_is_not_of_a_benchmark_is_refused(tmp_path, text, found):
    (tmp_path / "genes.csv").write_text(text)
    with pytest.raises(DataContractError, match=found):
        read_gene_scores(tmp_path / "genes.csv", "ridge", ("A",))


def test_a_predictor_keeps_the_scores_of_its_benchmark(place, scored):
    loaded = load_predictor(place / "scored")
    rows = table(place / "run" / "genes.csv")
    for predictor in (scored, loaded):
        assert set(predictor.gene_score_values) == set(GENE_SCORE_COLUMNS)
        for name, values in predictor.gene_score_values.items():
            expected = [float(rows.get(g, {}).get(name) or math.nan) for g in loaded.target.genes]
            np.testing.assert_array_equal(values, expected)
    assert np.isfinite(loaded.gene_score_values["detection_rate"]).all()
    in_run = load_predictor(place / "run" / "predictors" / "ridge" / "P1")
    for predictor in (scored, loaded, in_run):
        origin = predictor.gene_scores.origin
        assert (origin.protocol, origin.patients) == ("patient", ("P1", "P2"))
        assert origin.sections == ("P1S1", "P2S1")
    record = json.loads((place / "scored" / "predictor.json").read_text())
    assert "genes.csv" in record["files"]


def test_a_prediction_carries_scores_distance_and_card(place, scored):
    cohort = read_cohort(next((place / "cohort").glob("*.csv")))
    prediction = scored(cohort["P1S1"], place / "cache")
    np.testing.assert_equal(dict(prediction.head.gene_facts), dict(scored.gene_score_values))
    assert json.loads(prediction.head.card) == scored.card.to_json()
    distance = prediction.head.spot_facts["distance_to_training"]
    assert distance.shape == (len(prediction.spots),)
    np.testing.assert_allclose(distance, 0, atol=1e-4)  # they are training spots


def test_scores_given_later_give_the_same_folder(place, scored, tmp_path):
    assert scored.hash
    before = trained(place, tmp_path / "later", run=None)
    assert before.gene_score_values == {}
    assert "no benchmark" in before.gene_scores.why_unknown
    after = trained(place, tmp_path / "later")
    assert after.hash == scored.hash != before.hash
    assert files_of(tmp_path / "later") == files_of(place / "scored")
    assert after.gene_score_values.keys() == scored.gene_score_values.keys()


def test_the_same_scores_again_change_nothing_and_none_take_none_away(place, scored):
    times = {path: path.stat().st_mtime_ns for path in (place / "scored").iterdir()}
    for run in ("run", None):
        assert trained(place, place / "scored", run=run).hash == scored.hash
    assert {path: path.stat().st_mtime_ns for path in (place / "scored").iterdir()} == times


def test_a_predictor_of_a_run_finds_the_scores_of_the_run_and_holds_none(place, tmp_path):
    (folder,) = (place / "run" / "predictors" / "ridge").glob("P1")
    assert "genes.csv" not in files_of(folder)
    within = load_predictor(folder)
    rows = table(place / "run" / "genes.csv")
    expected = [float(rows[gene]["detection_rate"]) for gene in within.target.genes]
    np.testing.assert_array_equal(within.gene_score_values["detection_rate"], expected)
    shutil.copytree(folder, tmp_path / "a" / "b" / "alone")
    alone = load_predictor(tmp_path / "a" / "b" / "alone")
    assert alone.gene_score_values == {}
    assert alone.hash == within.hash


def test_an_unfinished_or_leaky_run_or_one_on_bags_says_why_it_has_no_scores(place, tmp_path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    card = json.loads((run / "card.json").read_text())
    (run / "card.json").write_text(json.dumps({**card, "protocol": "spot"}))
    gene_scores = load_predictor(run / "predictors" / "ridge" / "P1").gene_scores
    assert (gene_scores.columns, "leaky" in gene_scores.why_unknown) == ({}, True)
    (run / "genes.csv").unlink()  # a run on bags has a card without it
    gene_scores = load_predictor(run / "predictors" / "ridge" / "P1").gene_scores
    assert (gene_scores.columns, "scores bags" in gene_scores.why_unknown) == ({}, True)
    (run / "card.json").unlink()
    gene_scores = load_predictor(run / "predictors" / "ridge" / "P1").gene_scores
    assert (gene_scores.columns, "not finished" in gene_scores.why_unknown) == ({}, True)


def test_predictions_of_a_run_are_the_same_bytes_when_it_is_resumed_with_scores(place, tmp_path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    path = next((run / "predictions" / "ridge").rglob("*.h5ad"))
    before = path.read_bytes()
    path.unlink()
    settings = settings_of(place, models=["mean", "ridge"])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("histoscribe.plot.canvas._DPI", 20)
        patch.setattr("histoscribe.plot.canvas._PANEL_PX", 100)
        benchmark(settings=settings, out=run, cache=place / "cache")
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"models": ["knn"]}, ["models", "knn among them"]),
        ({"target": {"n_genes": 4}}, ["target.n_genes", "found|5", "4"]),
        ({"target": {"n_genes": 5, "transform": "log1p"}}, ["target.transform", "log1p"]),
        ({"inputs": {"tile_px": 64, "mpp": 2.0}}, ["inputs.mpp", "1.0", "2.0"]),
        ({"inputs": {"tile_px": 64, "mpp": 1.0, "encoder": "mean_colour"}}, ["encoder"]),
        ({"sections": ["P1S1"]}, ["sections", "P2S1 too"]),
        (
            {"target": {"n_genes": 4}, "inputs": {"tile_px": 32, "mpp": 2.0}},
            ["target.n_genes", "inputs.tile_px", "inputs.mpp"],
        ),
    ],
)
def test_a_benchmark_of_something_else_is_refused_with_all_that_differs(
    place, tmp_path, changes, named
):
    if changes.get("inputs", {}).get("tile_px") == 32:
        changes = {**changes, "inputs": {**changes["inputs"], "encoder": "mean_colour"}}
    with pytest.raises(DataContractError, match="as in the training of this predictor") as error:
        trained(place, tmp_path / "out", **changes)
    for words in named:
        assert any(word in str(error.value) for word in words.split("|")), words
    assert not (tmp_path / "out").exists()


def test_a_benchmark_of_other_data_or_without_files_is_refused(place, tmp_path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    card = json.loads((run / "card.json").read_text())
    card["sections"]["P1S1"]["counts_sha256"] = "other"
    (run / "card.json").write_text(json.dumps(card))
    write_checksums(run)
    with pytest.raises(DataContractError, match=r"section P1S1: another counts"):
        trained(place, tmp_path / "out", run=run)
    (run / "summary.csv").unlink()
    (run / "genes.csv").unlink()
    with pytest.raises(DataContractError, match=r"summary\.csv[\s\S]*genes\.csv: no such file"):
        trained(place, tmp_path / "out", run=run)


def test_a_leaky_benchmark_is_refused(place, tmp_path):
    run = shutil.copytree(place / "run", tmp_path / "run")
    leaky = settings_of(place, models=["mean", "ridge"], folds={"protocol": "spot", "k": 2})
    (run / "settings.toml").write_text(dump_settings(leaky))
    write_checksums(run)
    with pytest.raises(DataContractError, match=r"folds\.protocol: spot"):
        trained(place, tmp_path / "out", run=run)


def test_settings_of_networks_do_not_matter_to_an_estimator(place, tmp_path):
    assert trained(place, tmp_path / "out", train={"epochs": 77}, seed=5).gene_score_values


def test_the_card_in_words_says_what_the_benchmark_found(place, scored):
    text = (place / "scored" / "MODEL_CARD.md").read_text()
    with (place / "run" / "summary.csv").open(newline="") as file:
        rows = {(r["model"], r["metric"]): r for r in csv.DictReader(file)}
    for metric in ("pcc", "pcc_given_depth"):
        assert f"{float(rows['ridge', metric]['mean']):.3f}" in text
    count = scored.gene_scores.count()
    assert f"{count.n_above_band} of {count.n_genes} genes lie above their own band" in text
    assert f"{count.n_above_chance} of them have q < 0.05" in text
    assert "on 2 patients" in text


def test_the_card_of_a_fold_names_no_test_section_and_knows_no_score(place):
    folder = place / "run" / "predictors" / "ridge" / "P1"
    text = (folder / "MODEL_CARD.md").read_text()
    assert "P2S1" in text
    assert "P1S1" not in text
    assert "Unknown: run" in text
