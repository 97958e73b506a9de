import json
import shutil
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.benchmark.band import Shuffled, permuted_rows, shuffled_fold
from histoscribe.benchmark.file_names import file_name
from histoscribe.benchmark.measured_maps import read_measured, write_measured
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.benchmark.score import COLUMNS, Truth, truth_of
from histoscribe.benchmark.tables import (
    band_runs,
    genes_table,
    least_spread_per_gene,
    summary_table,
)
from histoscribe.data.target import TargetSettings
from histoscribe.errors import DataContractError
from histoscribe.metrics.registry import METRICS, BagMetric
from histoscribe.train.settings import parse_settings
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.contracts.tables import planted_table


@pytest.fixture(scope="module")
def settings(place):
    return tiny_settings(tiny_cohort(place / "cohort"))


@pytest.fixture(scope="module")
def result(place, settings):
    return benchmark(settings=settings, out=place / "run", cache=place / "cache")


def test_tables_have_the_columns_of_the_protocol(result):
    columns = {
        "scores.csv": ["model", "fold", "section", "patient", "gene", "metric", "value"],
        "summary.csv": ["model", "metric", "mean", "low", "high", "n_patients", "n_undefined"],
        "genes.csv": [
            *("model", "gene", "pcc", "pcc_given_depth", "null_low", "null_high"),
            *("q", "detection_rate", "skewness"),
        ],
    }
    for file, expected in columns.items():
        assert list(pd.read_csv(result.folder / file)) == expected


def test_the_card_names_the_symbol_of_each_gene(result, settings):
    card = json.loads((result.folder / "card.json").read_text())
    truth = pd.read_csv(Path(settings.cohort).parent / "truth" / "genes.csv")
    symbol = dict(zip(truth["gene_id"], truth["gene_name"], strict=True))
    genes = set(result.genes["gene"])
    assert card["gene_labels"] == {gene: symbol[gene] for gene in genes}


def test_a_run_folder_holds_all_that_was_promised(result, settings):
    for file in ("card.json", "card.md", "settings.toml", "folds.json", "run.json"):
        assert (result.folder / file).is_file()
    for model in settings.models:
        for patient in ("P1", "P2", "P3"):
            folder = result.folder / "predictors" / model / patient
            assert (folder / "predictor.json").is_file()
            assert not (folder / "resume").exists()
    figures = result.folder / "figures"
    assert len(list((figures / "maps" / "P1S1").glob("*.png"))) == 2
    for file in ("overlays/P1S1.png", "tissue/P1S1.jpg", "tissue/P1S1.json"):
        assert (figures / file).is_file()


def test_every_metric_is_scored_for_every_model(result, settings):
    expected = {m.id for m in METRICS.values() if not isinstance(m, BagMetric)}
    for _, rows in result.scores.groupby("model"):
        assert set(rows["metric"]) == expected
    assert set(result.scores["model"]) == {*settings.models, "oracle-depth"}
    assert "shuffled" in set(result.summary["model"])


def test_the_training_mean_scores_nothing_and_the_oracle_nothing_given_depth(result):
    table = result.summary.set_index(["model", "metric"])["mean"]
    assert table["mean", "pcc"] == 0
    assert abs(table["oracle-depth", "pcc_given_depth"]) < 0.02


def test_below_five_patients_there_is_no_interval(result):
    models = result.summary[result.summary["model"] != "shuffled"]
    assert models["low"].isna().all()
    assert models["high"].isna().all()
    assert any(check.code == "few-patients" for check in result.checks)
    card = json.loads((result.folder / "card.json").read_text())
    assert set(card["per_patient"]["pcc"]["ridge"]) == {"P1", "P2", "P3"}


def test_summary_is_genes_then_sections_then_patients(result):
    rows = result.scores[(result.scores["model"] == "ridge") & (result.scores["metric"] == "pcc")]
    by_section = rows.groupby(["patient", "section"])["value"].mean()
    expected = by_section.groupby("patient").mean().mean()
    table = result.summary.set_index(["model", "metric"])["mean"]
    np.testing.assert_allclose(table["ridge", "pcc"], expected)


def test_each_score_is_cut_into_parts_that_add_up(result):
    table = result.parts
    total = table["gene_means"] + table["depth"] + table["rest"]
    np.testing.assert_allclose(total, table["correlation"], rtol=0, atol=1e-15)
    means = table[table["section"] == "*"].set_index("model")
    assert (means.loc["mean", ["depth", "rest"]] == 0).all()
    assert means.loc["oracle-depth", "rest"] == pytest.approx(0, abs=0.01)
    assert means.loc["oracle-depth", "depth"] > means.loc["ridge", "depth"] > 0
    card = json.loads((result.folder / "card.json").read_text())
    assert card["parts"]["ridge"]["rest"] == means.loc["ridge", "rest"]
    assert "| rest within genes |" in (result.folder / "card.md").read_text()
    written = pd.read_csv(result.folder / "parts.csv")
    assert list(written) == list(table)


def test_differences_are_paired_with_the_baselines(result):
    table = pd.read_csv(result.folder / "differences.csv").set_index(["model", "against", "metric"])
    means = result.summary.set_index(["model", "metric"])["mean"]
    for model, against in (("ridge", "depth"), ("mlp", "ridge"), ("depth", "ridge")):
        expected = means[model, "pcc"] - means[against, "pcc"]
        np.testing.assert_allclose(table["mean"][model, against, "pcc"], expected, atol=1e-5)
    assert table["low"].isna().all()


def test_settings_as_resolved_read_back_the_same(result, settings):
    text = (result.folder / "settings.toml").read_text()
    assert parse_settings(tomllib.loads(text), "settings.toml") == settings


def test_done_cells_are_not_done_again(result, settings, place, monkeypatch):
    def never(*_):
        raise AssertionError("fitted a second time")

    monkeypatch.setattr("histoscribe.train.run.fit", never)
    again = benchmark(settings=settings, out=place / "run", cache=place / "cache")
    pd.testing.assert_frame_equal(again.summary, result.summary)


def test_two_runs_never_mix(result, settings, place):
    other = settings.model_copy(update={"seed": 1})
    with pytest.raises(DataContractError, match="other settings"):
        benchmark(settings=other, out=result.folder, cache=place / "cache")


def test_work_on_other_data_is_never_taken_for_this_run(result, settings, place, tmp_path):
    copy = shutil.copytree(Path(settings.cohort).parent, tmp_path / "cohort")
    run = shutil.copytree(result.folder, tmp_path / "run")
    moved = settings.model_copy(update={"cohort": str(copy / "cohort.csv")})
    text = (run / "settings.toml").read_text().replace(settings.cohort, moved.cohort)
    (run / "settings.toml").write_text(text)
    benchmark(
        settings=moved, out=run, cache=place / "cache"
    )  # equal data elsewhere is the same run
    with h5py.File(copy / "P1S1" / "filtered_feature_bc_matrix.h5", "r+") as matrix:
        matrix["matrix/data"][:] += 1
    with pytest.raises(DataContractError, match="other settings or data"):
        benchmark(settings=moved, out=run, cache=place / "cache")


def test_a_score_pooled_over_patients_has_no_interval_over_them():
    rows = [
        ("m", fold, section, patient, "g", metric, value)
        for fold, patients in (("A+B+C", "ABC"), ("D+E+F", "DEF"))
        for section, patient, metric, value in [
            ("*", "+".join(patients), "pcc_pooled", 0.3),
            *((name, name, "pcc", 0.2) for name in patients),
        ]
    ]
    scores = pd.DataFrame(rows, columns=list(COLUMNS))
    null = Shuffled(
        "A", "A", ("g",), 50, {m: np.zeros((100, 1)) for m in ("pcc", "pcc_given_depth")}
    )
    table = summary_table(scores, [null], seed=0).set_index(["model", "metric"])
    assert table.loc[("m", "pcc_pooled"), ["low", "high"]].isna().all()
    assert table.loc[("m", "pcc_pooled"), "n_patients"] == 6
    assert table.loc[("m", "pcc"), ["low", "high"]].notna().all()


def test_whole_rows_are_permuted_within_their_section():
    table = planted_table()
    rows = permuted_rows(table, seed=0, run=3)
    section = table.keys.section_names
    assert sorted(rows) == list(range(len(section)))
    assert (section[rows] == section).all()
    assert (rows != np.arange(len(rows))).any()
    assert (rows != permuted_rows(table, seed=0, run=4)).any()


def test_shuffled_labels_score_about_nothing(result, settings, place):
    plan = make_plan(settings, place / "run", weights={}, cache=place / "cache")
    fold = plan.folds[0]
    target = plan.run_data.target(fold.train)
    truths = [truth_of(plan, fold, target, section) for section in sorted(fold.test)]
    band = shuffled_fold(plan, fold, target, truths)
    runs = band_runs(band, "pcc_given_depth")
    assert len(runs) == 100
    assert abs(runs.mean()) < 0.1
    assert runs.std() > 0


def test_q_is_small_where_the_truth_is_predicted_and_not_where_it_is_not():
    rng = np.random.default_rng(0)

    genes = ("good", "null")
    null = Shuffled("a", "A", genes, 50, {"pcc_given_depth": rng.normal(0, 0.05, (100, 2))})
    truth = Truth(
        section="a",
        patient="A",
        genes=genes,
        measured=rng.normal(size=(50, 2)).astype(np.float32),
        log_total=np.zeros(50),
        counts=rng.poisson(1.0, (50, 2)).astype(np.float32),
        graph=sp.csr_matrix((50, 50)),
    )
    scores = pd.DataFrame(
        {
            "model": "m",
            "fold": "f",
            "section": "a",
            "patient": "A",
            "gene": ["good", "null"] * 2,
            "metric": ["pcc", "pcc", "pcc_given_depth", "pcc_given_depth"],
            "value": [0.6, 0.0, 0.6, 0.0],
        }
    )
    table = genes_table(scores, [null], [truth]).set_index("gene")
    assert table.loc["good", "q"] == pytest.approx(2 / 201)  # the runs of both genes
    assert table.loc["null", "q"] > 0.2
    np.testing.assert_allclose(least_spread_per_gene([null], 1), 1 / np.sqrt(48))
    np.testing.assert_allclose(least_spread_per_gene([null], 3), np.sqrt(2 / 48))
    assert table.loc["good", "null_low"] < 0 < table.loc["good", "null_high"]


def test_the_truth_is_what_was_measured_never_smoothed(settings, place):
    raw = settings.model_copy(update={"target": TargetSettings(n_genes=12, transform="counts")})
    plan = make_plan(raw, place / "raw", weights={}, cache=place / "cache")
    for fold in plan.folds:
        for section in fold.test:
            truth = truth_of(plan, fold, plan.targets[fold.name], section)
            counts = plan.run_data.cohort[section].measured
            columns = [counts.gene_ids.index(gene) for gene in truth.genes]
            np.testing.assert_array_equal(truth.measured, counts.matrix[:, columns].toarray())


def test_the_card_says_how_each_model_saw_the_tissue_and_how_much_of_it_was_fitted(result):
    card = json.loads((result.folder / "card.json").read_text())
    seen = {used["encoder"]: used for used in card["encoder"]["used"]}
    n_genes = 12
    n_weights = {}
    for model, encoder in card["encoder"]["models"].items():
        assert (seen[encoder]["tile_px"], seen[encoder]["mpp"]) == (64, 1.0)
        assert seen[encoder]["weights"] == "none"
        assert set(card["models"][model]["n_parameters"]) == {"P1", "P2", "P3"}
        n_weights[model] = card["models"][model]["n_parameters"]["P1"]
    # weights and bias a gene, mean and scale a feature; none for the encoder: it stays as it was
    assert n_weights["colour"] == 3 * n_genes + n_genes + 2 * 3
    assert n_weights["mean"] == n_genes


def test_every_map_is_on_the_card_with_its_model_and_reason(result):
    card = json.loads((result.folder / "card.json").read_text())
    assert {(m["section"], m["why"]) for m in card["maps"]} == {
        (f"P{n}S1", why)
        for n in (1, 2, 3)
        for why in ("best gene, chosen on test data", "median gene")
    }
    for item in card["maps"]:
        assert item["model"] == card["best_model"]
        assert (result.folder / "figures" / item["file"]).is_file()


def test_measured_values_are_kept_for_the_spots_and_genes_of_the_predictions(
    result, settings, place
):
    plan = make_plan(settings, place / "run", weights={}, cache=place / "cache")
    for fold in plan.folds:
        for section, rows in fold.test.items():
            path = result.folder / "maps" / fold.name / f"{section}.safetensors"
            kept, opened = read_measured(path), plan.run_data.cohort[section]
            target = plan.targets[fold.name]
            np.testing.assert_array_equal(kept.values, target.apply(opened, rows))
            np.testing.assert_allclose(kept.xy_um, opened.spots.xy[rows] * opened.slide.mpp)
            np.testing.assert_allclose(np.expm1(kept.log_total), opened.measured.total[rows])
            assert (kept.genes, kept.unit) == (target.genes, target.transform)
            again = place / "again.safetensors"
            write_measured(kept, again)
            assert again.read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("one", "other"), [("A/B", "A_B"), ("A/B", "A%2FB"), ("..", "%2E."), ("x" * 300, "x" * 301)]
)
def test_two_names_never_share_a_file(one, other):
    assert file_name(one) != file_name(other)
    assert all(len(file_name(name)) < 250 and "/" not in file_name(name) for name in (one, other))


def test_a_gene_named_like_a_path_stays_in_its_folder():
    assert file_name("HLA-DRB1.2") == "HLA-DRB1.2"
    assert file_name("../a/b") == "%2E.%2Fa%2Fb"


@pytest.mark.parametrize("protocol", ["section", "spot"])
def test_leaky_protocols_say_so_everywhere(place, settings, protocol):
    folds = {"protocol": protocol} | ({"k": 2} if protocol == "spot" else {})
    leaky = tiny_settings(settings.cohort, models=["mean", "ridge"], folds=folds)
    result = benchmark(settings=leaky, out=place / protocol, cache=place / "cache")
    assert result.checks[0].code == "leaky"
    assert json.loads((result.folder / "card.json").read_text())["leaky"]
    assert "LEAKY" in (result.folder / "card.md").read_text()
    models = result.summary[result.summary["model"] == "ridge"].set_index("metric")
    assert models.loc["PCC@M", "n_patients"] == 3, "folds of a leaky protocol are no patients"
