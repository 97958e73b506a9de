"""Benchmarks on bags: blocks of spots, and patients with a table of expression."""

import gzip
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import histoscribe as hs
from histoscribe.benchmark.bulk_cell import BulkRow, cell_values
from histoscribe.benchmark.bulk_run import bulk_benchmark, make_bulk_plan
from histoscribe.benchmark.bulk_scores import pcc_within
from histoscribe.benchmark.run import benchmark
from histoscribe.data.bag_groups import bags_in
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.errors import DataContractError
from histoscribe.io.predictions.bulk_file import read_bulk
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.bulk_data import open_bulk
from histoscribe.train.settings import parse_settings, read_settings
from tests.benchmark.runs import tiny_cohort

RECIPE = Path(__file__).parents[2] / "recipes" / "bulk-tcga-published.toml"
INPUTS = {"tile_px": 64, "mpp": 2.0, "encoder": "colour_texture"}
SITES = ("AA", "A6", "CM", "D5", "F4", "G4")


def block_settings(cohort, **changes):
    table = {
        "cohort": str(cohort),
        "models": ["mean", "ridge", "abmil"],
        "bulk": {"block_spots": 6},
        "target": {"n_genes": 8, "transform": "cp10k-log1p"},
        "inputs": {"tile_px": 64, "mpp": 1.0},
        "settings": {"abmil": {"preset": "tiny"}},
        "train": {"epochs": 2, "batch_size": 4},
        "run": {"device": "cpu"},
        **changes,
    }
    return parse_settings(table, "test settings")


@pytest.fixture(scope="module")
def blocks(place):
    """A run on blocks of a simulated cohort of two patients."""
    settings = block_settings(tiny_cohort(place / "cohort", n_patients=2))
    return benchmark(settings=settings, out=place / "blocks", cache=place / "cache")


def mean_of(result, model, metric):
    rows = result.summary[(result.summary["model"] == model) & (result.summary["metric"] == metric)]
    return float(rows["mean"].iloc[0])


def test_all_rows_stand_in_the_tables(blocks, place):
    models = ["mean", "ridge", "abmil"]
    expected = [*models, *(f"{name}-by-spot" for name in models), "ridge-broadcast", "shuffled"]
    for metric in ("pcc_over_blocks", "pcc_within_blocks"):
        of = blocks.summary[blocks.summary["metric"] == metric]
        assert list(of["model"]) == expected
        assert of["mean"].notna().all()
    card = (place / "blocks" / "card.md").read_text()
    assert all(f"| {name} |" in card for name in expected)
    assert "bags of one patient are no independent samples" in card
    assert set(pd.read_csv(place / "blocks" / "scores.csv")["metric"]) == {
        "pcc_over_blocks",
        "pcc_within_blocks",
        "mape",
        "mape_excluded",
    }


def test_a_spread_bag_value_and_the_mean_show_nothing_within_bags(blocks):
    for model in ("ridge-broadcast", "mean", "mean-by-spot"):
        assert mean_of(blocks, model, "pcc_within_blocks") == 0
    assert mean_of(blocks, "mean", "pcc_over_blocks") == 0
    ridge = mean_of(blocks, "ridge", "pcc_over_blocks")
    assert mean_of(blocks, "ridge-broadcast", "pcc_over_blocks") == ridge


def test_shuffled_bags_are_centred_on_zero(blocks):
    for metric in ("pcc_over_blocks", "pcc_within_blocks"):
        of = blocks.summary.set_index(["model", "metric"]).loc[("shuffled", metric)]
        assert abs(of["mean"]) < 4 * of["deviation"] / np.sqrt(100)
        assert of["low"] < 0 < of["high"]


def test_rows_inside_the_band_are_said_to_show_nothing(blocks):
    inside = [check for check in blocks.checks if check.code == "inside-band"]
    assert any("nothing is shown across patients by mean" in check.message for check in inside)
    assert any("nothing is shown within bags by mean" in check.message for check in inside)


@pytest.mark.slow
def test_a_run_started_again_changes_nothing(blocks, place):
    before = {path: path.read_bytes() for path in (place / "blocks").rglob("*.csv")}
    before |= {path: path.read_bytes() for path in (place / "blocks").rglob("*.h5ad")}
    settings = block_settings(place / "cohort" / "cohort.csv")
    benchmark(settings=settings, out=place / "blocks", cache=place / "cache")
    assert all(path.read_bytes() == old for path, old in before.items())


def test_a_block_model_predicts_the_mean_feature_of_its_block(blocks, place):
    settings = block_settings(place / "cohort" / "cohort.csv")
    plan = make_bulk_plan(settings, place / "blocks", weights={}, cache=place / "cache")
    fold, row = plan.folds[0], BulkRow(settings.row("ridge"))
    values = cell_values(plan, fold, row)
    predictor = load_predictor(place / "blocks" / "predictors" / "ridge" / fold.name)
    bags = bags_in(plan.bulk.bags, fold.test)
    assert values.patients == tuple(plan.bulk.bags[bag].name for bag in bags)
    assert values.unit == "cp10k-log1p of blocks of spots"
    section = plan.bulk.bags[bags[0]].name.rpartition("-")[0]
    feature = plan.bulk.run_data.features(None, section)
    mean = feature[plan.bulk.bags[bags[0]].rows[section]].mean(axis=0, keepdims=True)
    expected = predictor.model.predict(mean.astype(np.float32))
    np.testing.assert_allclose(values.values[:1], expected, rtol=1e-4, atol=1e-5)


def test_correlation_within_bags_takes_no_part_of_their_levels():
    rng = np.random.default_rng(0)
    bag = np.repeat(np.arange(5), 8)
    level, inside = rng.normal(size=(5, 1)) * 100, rng.normal(size=(40, 1))
    measured = level[bag] + inside
    np.testing.assert_allclose(pcc_within(-level[bag] + inside, measured, bag), 1.0, atol=1e-9)
    np.testing.assert_allclose(pcc_within(level[bag], measured, bag), 0.0, atol=1e-9)
    assert np.isnan(pcc_within(inside, level[bag], bag)).all()


def slide(path, redness, seed):
    """A small slide with a disc of tissue of some colour."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:320, :320] - 160
    inside = np.hypot(x, y) < 120
    grain = rng.random((80, 80)).repeat(4, 0).repeat(4, 1)[..., None]
    tissue = np.array([215.0, 150.0, 195.0 - 60 * redness]) - grain * np.array([120, 90, 60])
    image = np.where(inside[..., None], tissue, 250) + rng.normal(0, 1, (320, 320, 3))
    Image.fromarray(image.clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture(scope="module")
def tcga(place):
    """Slides and counts laid out as those of TCGA; one gene follows the colour of the slides."""
    folder = place / "tcga"
    folder.mkdir()
    rng = np.random.default_rng(0)
    lines, columns = ["patient,slide,mpp"], {}
    for number in range(24):
        patient = f"TCGA-{SITES[number % 6]}-{number:04d}"
        redness = rng.random()
        for part in ("DX1", "TS1")[: 1 + number % 2]:
            name = f"{patient}-01A-{part}.png"
            slide(folder / name, redness, number)
            lines.append(f"{patient},{name},2.0")
        counts = rng.poisson([4000.0, 300.0 + 3000.0 * redness, 50.0, 700.0, 20.0])
        columns[f"{patient}-01A"] = counts
    columns["TCGA-AA-9999-11A"] = columns["TCGA-ZZ-0001-01A"] = rng.poisson(100.0, 5)
    (folder / "slides.csv").write_text("\n".join(lines) + "\n")
    genes = [f"ENSG{i:011d}.{i + 3}" for i in range(5)]
    text = ["\t".join(("Ensembl_ID", *columns))]
    text += [
        "\t".join((gene, *(str(of[i]) for of in columns.values()))) for i, gene in enumerate(genes)
    ]
    (folder / "counts.tsv.gz").write_bytes(gzip.compress("\n".join(text).encode()))
    return folder


def tcga_settings(tcga, *more):
    recipe = tcga.parent / "recipe.toml"
    recipe.write_text(RECIPE.read_text())
    small = [
        *(f"inputs.{key}={value}" for key, value in INPUTS.items()),
        "run.precision=float32",
        "run.device=cpu",
        "target.n_genes=3",
        "folds.k=2",
        'models=["mean", "ridge", "he2rna"]',
        'settings.he2rna.preset="tiny"',
        "train.epochs=8",
        "train.members=2",
        "train.batch_size=4",
    ]
    return read_settings(recipe, [*small, *more])


@pytest.fixture(scope="module")
def patients(tcga, place):
    settings = tcga_settings(tcga)
    return benchmark(settings=settings, out=place / "patients", cache=place / "cache")


@pytest.mark.slow
def test_the_recipe_of_tcga_runs_on_files_of_its_layout(patients, place):
    (note, *_) = [check.message for check in patients.checks if "no tumour" in check.message]
    assert "TCGA-AA-9999-11A" in note
    assert any("without a slide: TCGA-ZZ-0001" in check.message for check in patients.checks)
    scores = patients.scores
    planted = scores[
        (scores["gene"] == "ENSG00000000001") & (scores["metric"] == "pcc_over_patients")
    ]
    by_model = planted.groupby("model")["value"].mean()
    assert by_model["ridge"] > 0.8, "the colour of the slides tells"
    assert by_model["he2rna"] > 0.5
    assert by_model["mean"] == 0
    mape = scores[scores["metric"] == "mape"].groupby("model")["value"].mean()
    assert mape["ridge"] < mape["mean"]
    card = (place / "patients" / "card.md").read_text()
    assert "sites: A6 4, AA 4" in card
    assert "- he2rna is not as published (in brackets what is): 8 epochs (200), batch 4" in card


@pytest.mark.slow
def test_members_share_a_test_set_and_disagree(patients, tcga, place):
    settings = tcga_settings(tcga)
    plan = make_bulk_plan(settings, place / "patients", weights={}, cache=place / "cache")
    tested = []
    for fold in plan.folds:
        sites = {plan.bulk.cohort.patients[s].split("-")[1] for s in fold.test}
        assert not sites & {plan.bulk.cohort.patients[s].split("-")[1] for s in fold.train}
        row = BulkRow(settings.row("he2rna"))
        values = cell_values(plan, fold, row)
        tested += values.patients
        assert values.deviation is not None
        assert (values.deviation > 0).all()
        assert cell_values(plan, fold, BulkRow(settings.row("ridge"))).deviation is None
        predictor = load_predictor(place / "patients" / "predictors" / "he2rna" / fold.name)
        assert len(predictor.fitted.members) == 2
        vals = [set(plan.bulk.side(inner.val)) for inner in fold.inner]
        assert not vals[0] & vals[1]
    assert sorted(tested) == sorted(bag.name for bag in plan.bulk.bags)


@pytest.mark.slow
def test_a_run_of_patients_started_again_changes_nothing(patients, tcga, place):
    before = {path: path.read_bytes() for path in (place / "patients").rglob("*.csv")}
    plan = make_bulk_plan(
        tcga_settings(tcga), place / "patients", weights={}, cache=place / "cache"
    )
    bulk_benchmark(plan)
    assert all(path.read_bytes() == old for path, old in before.items())


@pytest.mark.parametrize("name", ["he2rna", pytest.param("ridge", marks=pytest.mark.slow)])
def test_a_predictor_of_bags_predicts_all_slides_of_a_patient_together(tcga, place, name):
    settings = tcga_settings(tcga, f'models=["{name}"]', "train.epochs=2")
    folder = place / f"trained-{name}"
    predictor = hs.train(settings=settings, out=folder, cache=place / "cache")
    again = hs.train(settings=settings, out=folder, cache=place / "cache")
    assert again.hash == predictor.hash
    manifest = place / "two.csv"
    lines = (tcga / "slides.csv").read_text().splitlines()
    text = [lines[0], *(line.replace(",", f",{tcga}/", 1) for line in lines[1:5])]
    manifest.write_text("\n".join(text) + "\n")
    found = hs.predict_patients(folder, manifest, out=place / name, cache=place / "cache")
    assert found.patients == ("TCGA-A6-0001", "TCGA-AA-0000", "TCGA-CM-0002")
    assert found.unit == "cp10k-log1p of bulk counts"
    assert {m.patient for m in found.evidence.values()} == set(found.patients)
    assert len(found.evidence) == 4, "one map a slide"
    bulk = open_bulk(settings, {}, place / "cache")
    bags = np.array([[bag.name for bag in bulk.bags].index(of) for of in found.patients])
    if name == "he2rna":
        table = bulk.tested(predictor.target, None, bags)
        of_bags = predictor.fitted.values_of_bags(LabelledBags(table), found.patients)
        np.testing.assert_allclose(found.deviation, of_bags.deviation, rtol=1e-3, atol=1e-6)
        expected = of_bags.values
        words = "- Not as published (in brackets what is): 2 epochs (200), batch 4 (16), "
        assert words in (folder / "MODEL_CARD.md").read_text()
    else:
        assert found.deviation is None
        expected = predictor.fitted.predict_means(bulk.means(None, bags))
    within = predictor.value_range.clip(expected)
    np.testing.assert_allclose(found.values, within, rtol=1e-4, atol=1e-5)
    assert found.patient_facts["trusted"].tolist() == [1, 1, 1], "patients of the training"
    clipped = (within != expected).sum(axis=1)
    assert found.patient_facts["clipped_genes"].tolist() == clipped.tolist()
    back = read_bulk(place / name / "bulk.h5ad")
    for fact, values in found.patient_facts.items():
        np.testing.assert_array_equal(back.patient_facts[fact], values)
    bare = place / "without-mpp.csv"
    bare.write_text("\n".join(line.rpartition(",")[0] for line in text) + "\n")
    out = place / f"ordered-{name}"
    order = Order(predictor=folder, targets=(str(bare),), out=out, mpp=2.0, per="patient")
    with pytest.raises(DataContractError, match="as a bag of tiles"):
        list(predict(replace(order, mask=tcga / "mask.png")))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike any other
        list(predict(order))
    ordered = read_bulk(out / "bulk.h5ad")
    np.testing.assert_allclose(ordered.values, found.values, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(back.values, found.values)
    for maps in back.evidence.values():
        assert maps.values["expression"].shape == (len(maps.spots), 3)
        masked = np.isnan(maps.values["expression"]).all(axis=1)
        assert (maps.values["distance_to_training"][:, 0] > 1).tolist() == masked.tolist()
        assert (maps.values["trusted"][:, 0] == 0).tolist() == masked.tolist()


@pytest.mark.slow
def test_a_predictor_of_spots_says_how_to_predict_patients(tcga, place):
    cohort = tiny_cohort(place / "cohort", n_patients=2)
    predictor = hs.train(
        cohort,
        "mean",
        target={"n_genes": 4},
        inputs={"tile_px": 64, "mpp": 1.0},
        out=place / "spots",
        cache=place / "cache",
    )
    with pytest.raises(DataContractError, match="--per patient"):
        hs.predict_patients(predictor, tcga / "slides.csv")


def test_folds_of_one_patient_have_no_correlation_over_patients(tcga, tmp_path):
    settings = tcga_settings(tcga, "folds.protocol=patient", "folds.k=leave-one-out")
    with pytest.raises(DataContractError, match=r"24 of 24 folds with fewer than 3 test bags"):
        make_bulk_plan(settings, tmp_path, weights={}, cache=tmp_path)


def test_problems_of_manifest_and_table_come_together(tcga, tmp_path):
    text = (tcga / "slides.csv").read_text().replace(",2.0", ",two", 1)
    (tmp_path / "slides.csv").write_text(text)
    settings = tcga_settings(tcga, "bulk.unit=tpm").model_copy(
        update={"cohort": str(tmp_path / "slides.csv")}
    )
    with pytest.raises(DataContractError) as error:
        make_bulk_plan(settings, tmp_path, weights={}, cache=tmp_path)
    found = [problem.found for problem in error.value.problems]
    assert any("mpp 'two'" in text for text in found)
    assert any("sums are not 1,000,000" in text for text in found)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"models": ["mlp"]}, "row mlp predicts spots"),
        ({"target": {"transform": "log1p", "panel": "list"}}, "`genes` is for panel"),
        ({"target": {"transform": "pearson-residuals"}}, "has no meaning for blocks"),
        ({"folds": {"protocol": "spot", "k": 3}}, "divides bags"),
        ({"inputs": {"stain": "reinhard"}}, "the same in every fold"),
        ({"bulk": {"block_spots": 6, "table": "x", "unit": "log"}}, "either a table"),
        ({"bulk": {"table": "x"}}, "a table needs its unit"),
        ({"bulk": {}, "train": {"members": 2}}, "train.members above 1"),
    ],
)
def test_settings_that_make_no_bags_are_refused(changes, words):
    with pytest.raises(DataContractError, match=words):
        block_settings("cohort.csv", **changes)
