"""A prediction of another tool is scored as a model of ours is."""

import json
import shutil
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import histoscribe as hs
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.report import page
from histoscribe.train.settings import read_settings
from tests.benchmark.runs import tiny_cohort, tiny_settings

BASELINES = ["mean", "depth", "ridge"]


@pytest.fixture(scope="module")
def manifest(place):
    return tiny_cohort(place / "cohort")


@pytest.fixture(scope="module")
def settings(manifest):
    return tiny_settings(manifest, models=BASELINES)


@pytest.fixture(scope="module")
def benchmark(place, settings):
    return hs.benchmark(settings=settings, out=place / "run", cache=place / "cache")


@pytest.fixture(scope="module")
def ridges(place, benchmark):
    """Ridge's own predictions as AnnData of any tool: values, names of spots and genes."""
    folder = place / "ridges" / "theirs"
    folder.mkdir(parents=True)
    for path in sorted((benchmark.folder / "predictions" / "ridge").glob("*/*.h5ad")):
        prediction = read_prediction(path)
        write(folder / path.name, prediction.values, prediction.spots.ids, prediction.genes)
    return folder


@pytest.fixture(scope="module")
def plain(place, manifest):
    """Random predictions of the genes with most counts."""
    folder, draw = place / "theirs", np.random.default_rng(0)
    folder.mkdir()
    cohort = hs.read_cohort(manifest)
    most = np.argsort(-cohort["P1S1"].measured.gene_total)[:12]
    genes = [cohort["P1S1"].measured.gene_ids[place] for place in most]
    for section in cohort:
        values = draw.normal(size=(len(section.spots), 12)).astype(np.float32)
        write(folder / f"{section.id}.h5ad", values, section.spots.ids, genes)
    return folder


def write(path, values, spots, genes):
    data = ad.AnnData(values)
    data.obs_names, data.var_names = list(spots), list(genes)
    data.write_h5ad(path)


def scored(place, manifest, predictions, **options):
    options = {"unit": "pearson-residuals", "cache": place / "cache", **options}
    return hs.score(manifest, predictions, **options)


@pytest.fixture(scope="module")
def result(place, manifest, ridges, settings):
    return scored(place, manifest, ridges, settings=settings, out=place / "scored")


def rows_of(table, model):
    return table[table["model"] == model].drop(columns="model").reset_index(drop=True)


@pytest.mark.slow
def test_our_ridge_as_plain_anndata_gets_the_numbers_of_the_benchmark(result, benchmark):
    for name in ("summary", "genes", "scores", "parts"):
        found, expected = getattr(result, name), getattr(benchmark, name)
        pd.testing.assert_frame_equal(
            rows_of(found, "theirs"), rows_of(expected, "ridge"), check_exact=True
        )
        for model in (*BASELINES, "oracle-depth"):
            pd.testing.assert_frame_equal(
                rows_of(found, model), rows_of(expected, model), check_exact=True
            )
    band = rows_of(result.summary, "shuffled")
    pd.testing.assert_frame_equal(band, rows_of(benchmark.summary, "shuffled"), check_exact=True)


@pytest.mark.slow
def test_the_differences_pair_it_with_the_baselines(result):
    table = pd.read_csv(result.folder / "differences.csv").set_index(["model", "against", "metric"])
    assert table["mean"]["theirs", "ridge", "pcc"] == 0
    assert ("theirs", "depth", "pcc_given_depth") in table.index


@pytest.mark.slow
def test_the_card_says_what_could_not_be_checked(result, manifest):
    card = json.loads((result.folder / "card.json").read_text())["foreign"]["theirs"]
    assert card["unit"] == "pearson-residuals"
    assert "which patients it was trained on" in card["unchecked"][0]
    section = card["sections"]["P1S1"]
    assert section["spots"] == len(hs.read_cohort(manifest)["P1S1"].spots)
    assert (section["genes"], section["trained_on"], section["matched_by"]) == (12, None, "names")
    text = (result.folder / "card.md").read_text()
    assert "## Prediction made elsewhere: theirs" in text
    assert {"training-unknown"} <= {check.code for check in result.checks}


@pytest.mark.slow
def test_a_run_folder_is_continued_and_takes_no_other_predictions(result, place, manifest, ridges):
    settings = read_settings(result.folder / "settings.toml")
    again = scored(place, manifest, ridges, settings=settings, out=result.folder)
    pd.testing.assert_frame_equal(again.summary, result.summary)
    other = shutil.copytree(ridges, place / "other" / "theirs")
    data = ad.read_h5ad(other / "P1S1.h5ad")
    data.X = data.X + np.float32(1)
    data.write_h5ad(other / "P1S1.h5ad")
    with pytest.raises(DataContractError, match="other settings or data"):
        scored(place, manifest, other, settings=settings, out=result.folder)


@pytest.mark.slow
def test_a_report_shows_it(result):
    text = page.write(result.folder).read_text("utf-8")
    assert "<strong>theirs</strong>, predicted elsewhere, has" in text
    assert "theirs predicts" in text
    assert "A prediction made elsewhere, in pearson-residuals" in text


@pytest.mark.slow
def test_a_report_of_several_names_those_above_chance(several):
    assert "None of 2 predictions scores above chance" in page.write(several.folder).read_text()


@pytest.fixture(scope="module")
def several(place, manifest, ridges):
    """One call with three models from memory: shuffled, gene means, and all of the truth."""
    draw = np.random.default_rng(0)
    of = {path.stem: ad.read_h5ad(path) for path in sorted(ridges.glob("*.h5ad"))}
    shuffled, means = {}, {}
    for section, data in of.items():
        shuffled[section] = data[:, :].copy()
        shuffled[section].X = draw.permutation(data.X, axis=0)
        level = np.arange(data.n_vars, dtype=np.float32)
        means[section] = pd.DataFrame(
            np.tile(level, (data.n_obs, 1)), index=data.obs_names, columns=data.var_names
        )
    options = {"models": ["mean", "depth", "ridge"], "target": {"n_genes": 12}}
    return scored(
        place,
        manifest,
        {"shuffled-copy": shuffled, "gene-means": means},
        inputs={"tile_px": 64, "mpp": 1.0},
        run={"device": "cpu"},
        trained_on={section: ["P9"] for section in of},
        **options,
    )


@pytest.mark.slow
def test_a_shuffled_copy_falls_into_the_band(several):
    table = several.summary.set_index(["model", "metric"])
    band = table.loc[("shuffled", "pcc_given_depth")]
    assert band["low"] <= table["mean"]["shuffled-copy", "pcc_given_depth"] <= band["high"]
    messages = [c.message for c in several.checks if c.code == "foreign-inside-band"]
    assert any("shuffled-copy" in message for message in messages)


@pytest.mark.slow
def test_a_gene_mean_model_has_all_of_its_score_in_the_first_part(several):
    means = several.parts[several.parts["model"] == "gene-means"]
    assert (means[["depth", "rest"]] == 0).all(axis=None)
    assert (means["correlation"] == means["gene_means"]).all()
    assert means["correlation"].abs().min() > 0


@pytest.mark.slow
def test_known_training_on_others_is_no_leak(several):
    assert not {"leaky-training", "training-unknown"} & {check.code for check in several.checks}
    card = json.loads((several.folder / "card.json").read_text())
    assert card["leaky"] is None
    assert card["foreign"]["gene-means"]["sections"]["P2S1"]["trained_on"] == ["P9"]


def quick(place, manifest, predictions, **options):
    """The cheapest run: one baseline, few genes."""
    return scored(
        place,
        manifest,
        predictions,
        **{
            "models": ["mean"],
            "target": {"n_genes": 5},
            "inputs": {"tile_px": 64, "mpp": 1.0},
            "run": {"device": "cpu"},
            **options,
        },
    )


def frame_of(plain, section):
    data = ad.read_h5ad(plain / f"{section}.h5ad")
    frame = pd.DataFrame(data.X, index=data.obs_names, columns=data.var_names)
    return frame.assign(section=section)


def test_a_table_by_symbol_and_by_place_with_gaps_is_scored_and_told(place, manifest, plain):
    cohort = hs.read_cohort(manifest)
    parts = []
    for section in ("P1S1", "P2S1"):
        frame, spots = frame_of(plain, section), cohort[section].spots
        counts = cohort[section].measured
        symbol = dict(zip(counts.gene_ids, counts.gene_names, strict=True))
        frame = frame.rename(columns=symbol).assign(NOT_A_GENE=0.0)
        xy = dict(zip(spots.ids, spots.xy, strict=True))
        frame[["x", "y"]] = np.array([xy[name] for name in frame.index]) + 1
        frame.index = [f"{section}-spot{n}" for n in range(len(frame))]
        parts.append(frame)
    table = pd.concat(parts)
    table.loc["P2S1-spot0", [c for c in table if c not in ("section", "x", "y")]] = np.nan
    table.to_csv(place / "tool.csv")
    result = quick(place, manifest, str(place / "tool.csv"), trained_on=["P3"], unit=None)
    codes = {check.code: check.message for check in result.checks}
    n_spots = len(cohort["P3S1"].spots)
    assert f"P2S1 1, P3S1 {n_spots}" in codes["spots-not-predicted"]
    assert "1 columns of tool" in codes["columns-unknown"]
    assert "unknown" in codes["unit-unknown"]
    assert "training-unknown" not in codes
    card = json.loads((result.folder / "card.json").read_text())
    assert {fold["name"] for fold in card["folds"]} == {"P1", "P2"}
    assert card["foreign"]["tool"]["sections"]["P2S1"]["matched_by"] == "places"
    metrics = set(result.scores.loc[result.scores["model"] == "tool", "metric"])
    assert {"pcc", "pcc_given_depth", "scc", "ssim"} <= metrics
    assert not {"mse", "ccc", "rvd", "nrmse", "pcc_spot"} & metrics
    assert "tool" not in set(result.parts["model"])


@pytest.mark.slow
def test_an_overlap_with_training_patients_brands_the_numbers(place, manifest, plain, tmp_path):
    file = tmp_path / "training.csv"
    file.write_text("patient,fold\nP2,P1\nP3,P1\nP2,P2\n")
    of = [plain / "P1S1.h5ad", plain / "P2S1.h5ad"]
    result = quick(place, manifest, of, trained_on=file)
    (leak,) = [check for check in result.checks if check.code == "leaky-training"]
    assert "P2S1 by P2" in leak.message
    assert "P1S1" not in leak.message
    card = json.loads((result.folder / "card.json").read_text())
    assert "trained on patients that it is scored on (P2)" in card["leaky"]
    assert card["foreign"]["theirs"]["sections"]["P2S1"]["overlap"] == ["P2"]


@pytest.mark.slow
def test_the_unit_of_the_predictions_is_the_scale_of_the_run(place, manifest, plain):
    frame = frame_of(plain, "P1S1")
    genes = frame.columns.drop("section")
    frame[genes] = np.abs(frame[genes]) * 100
    result = quick(place, manifest, {"far": frame}, unit="log1p", trained_on=["P2"])
    card = json.loads((result.folder / "card.json").read_text())
    assert card["target"]["P1"]["transform"] == "log1p"
    assert "mse" in set(result.scores.loc[result.scores["model"] == "far", "metric"])
    assert "unit-doubtful" in {check.code for check in result.checks}


def test_every_mistake_is_told_at_once_and_nothing_is_written(place, manifest, plain, tmp_path):
    good = frame_of(plain, "P1S1").drop(columns="section")
    other_spots = good.set_axis([f"other{n}" for n in range(len(good))])
    holes = good.copy()
    holes.iloc[0, 0] = np.nan
    below = good - 100
    predictions = {
        "ridge": {"P1S1": good},
        "unknown-section": {"P1S1": good, "P1S2": good},
        "no-gene": {"P1S1": good.set_axis([f"g{n}" for n in range(good.shape[1])], axis=1)},
        "other-spots": {"P1S1": other_spots},
        "twice": {"P1S1": pd.concat([good, good.iloc[:1]])},
        "holes": {"P1S1": holes},
        "below": {"P1S1": below},
        "no-unit": {"P1S1": good},
    }
    units = {"below": "counts", "no-unit": "log2", "nobody": "counts"}
    with pytest.raises(DataContractError) as error:
        quick(
            place,
            manifest,
            predictions,
            models=["ridge"],
            unit=units,
            trained_on={"P8": ["P1"]},
            out=tmp_path / "none",
        )
    text = str(error.value)
    for words in (
        "the name of another row",
        "no section 'P1S2'",
        "no gene of the cohort",
        "no spot of the section",
        "1 spots in two rows",
        "1 values are missing",
        "100% of the values are below zero",
        "no unit 'log2'",
        "unit of nobody",
        "no fold 'P8'",
    ):
        assert words in text
    assert not (tmp_path / "none").exists()


def test_models_without_a_common_spot_are_told(place, manifest, plain):
    sets = {name: frame_of(plain, section) for name, section in (("a", "P1S1"), ("b", "P2S1"))}
    with pytest.raises(DataContractError, match="no test spot that all models predicted"):
        quick(place, manifest, sets)


def test_missing_and_foreign_files_are_told_at_once(place, manifest, tmp_path):
    (tmp_path / "P1S1.txt").write_text("no table")
    picture = Path(tmp_path / "P1S1.png")
    picture.write_bytes(b"x")
    with pytest.raises(DataContractError) as error:
        quick(place, manifest, [tmp_path / "P1S1.txt", picture, tmp_path / "none.h5ad"])
    assert len(error.value.problems) >= 3
