"""A model of sections and one of bags go the way of every model: train, benchmark, predict."""

import copy
import warnings
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import histoscribe as hs
from histoscribe.benchmark.cell import cell_bags, cell_prediction, predictor_folder
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark
from histoscribe.data.images import SlideTiles
from histoscribe.explain.representation import represent
from histoscribe.explain.run import explain
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.predictions.anndata import read_prediction
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.predict import slide, threads
from histoscribe.predict.order import Order, predict
from histoscribe.predictor.predictor import BAG
from histoscribe.predictor.saving import load_predictor
from histoscribe.report import write
from histoscribe.train.run import train
from histoscribe.types import Section
from tests import toys
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.predict.conftest import MPP, SPACING_UM, draw_slide

MODELS = ["mean", "ridge", toys.SECTION, toys.BAG]


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        yield


@pytest.fixture(scope="module")
def settings(place):
    return tiny_settings(
        tiny_cohort(place / "cohort"),
        models=MODELS,
        settings={},
        train={"epochs": 3, "batch_size": 2},
    )


@pytest.fixture(scope="module")
def result(place, settings):
    return benchmark(settings=settings, out=place / "run", cache=place / "cache")


@pytest.fixture(scope="module")
def plan(result, place, settings):
    return make_plan(settings, place / "run", weights={}, cache=place / "cache")


@pytest.fixture(scope="module")
def trained(place, settings):
    """Predictors of the two toys, trained on all sections."""
    return {
        name: train(
            settings=settings.model_copy(update={"models": (name,)}),
            out=place / name,
            cache=place / "cache",
        )
        for name in (toys.SECTION, toys.BAG)
    }


def known_answer(predictor, feature):
    """What the toy of sections says of the spots of one section, in NumPy."""
    state = {key: value.double().numpy() for key, value in predictor.model.state_dict().items()}
    standard = (feature - state["mean"]) / state["scale"]
    both = np.hstack([standard, np.tile(standard.mean(axis=0), (len(standard), 1))])
    return both @ state["head.linear.weight"].T + state["head.linear.bias"]


def test_every_spot_of_a_section_is_predicted_from_the_mean_of_its_own_section(plan, result):
    for fold in plan.folds:
        predictor = load_predictor(predictor_folder(plan.out, toys.SECTION, fold))
        for section in fold.test:
            expected = known_answer(predictor, plan.run_data.features(None, section, fold))
            found = cell_prediction(plan, fold, toys.SECTION, section)
            np.testing.assert_allclose(found.values, expected, atol=1e-4)


def test_a_bag_is_scored_by_patient_with_its_map_beside(plan, result):
    table = pd.read_csv(plan.out / "patients.csv")
    assert set(table["model"]) == set(MODELS)
    assert set(table["metric"]) == {"pcc_over_patients", "mape"}
    assert (table["n_patients"] == 3).any()
    of_mean = table[(table["model"] == "mean") & (table["metric"] == "pcc_over_patients")]
    constant_panel = of_mean.dropna()
    assert len(constant_panel)
    assert table.loc[table["metric"] == "mape", "value"].isna().all(), "residuals are below zero"
    summary = result.summary.set_index(["model", "metric"])
    assert summary.loc[(toys.BAG, "pcc_over_patients"), "n_patients"] == 3
    assert np.isfinite(summary.loc[(toys.BAG, "pcc"), "mean"]), "of its maps"
    (check,) = [check for check in result.checks if check.code == "scored-by-patient"]
    assert toys.BAG in check.message


def test_the_value_of_a_bag_is_that_of_all_its_spots(plan, result):
    fold = plan.folds[0]
    bags = cell_bags(plan, fold, toys.BAG)
    assert bags.patients == (fold.name,)
    predictor = load_predictor(predictor_folder(plan.out, toys.BAG, fold))
    feature = np.concatenate([plan.run_data.features(None, s, fold) for s in sorted(fold.test)])
    state = {key: value.double().numpy() for key, value in predictor.model.state_dict().items()}
    mean = ((feature - state["mean"]) / state["scale"]).mean(axis=0)
    expected = state["head.linear.weight"] @ mean + state["head.linear.bias"]
    np.testing.assert_allclose(bags.values[0], expected, atol=1e-4)


def test_the_report_of_such_a_run_builds(plan, result):
    page = write(plan.out).read_text("utf-8")
    assert toys.BAG in page
    assert "pcc_over_patients" in page


def test_a_run_started_again_changes_nothing(plan, result, settings, place):
    before = {path: path.read_bytes() for path in plan.out.rglob("*.csv")}
    benchmark(settings=settings, out=place / "run", cache=place / "cache")
    assert {path: path.read_bytes() for path in plan.out.rglob("*.csv")} == before


@pytest.fixture(scope="module")
def slide_file(place):
    return draw_slide(place / "slide.png")


def predicted(predictor, path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        return hs.predict_slide(predictor, path, spacing_um=SPACING_UM, mpp=MPP, keep_unlike=True)


def test_a_slide_is_one_section_whatever_the_blocks_and_threads(
    trained, slide_file, tmp_path, monkeypatch
):
    predictor = trained[toys.SECTION]
    whole = predicted(predictor, slide_file)
    section = Section("slide", None, open_whole_slide(slide_file, MPP), whole.spots, None)
    feature = predictor.queries(section, tmp_path / "cache").feature
    limits = predictor.value_range
    expected = np.clip(known_answer(predictor, feature), limits.low, limits.high)
    np.testing.assert_allclose(whole.values, expected, atol=1e-4)
    with monkeypatch.context() as patch:
        patch.setattr(slide, "CHUNK_ROWS", 7)
        patch.setattr(threads, "_BATCH", 5)
        torch.set_num_threads(3)
        again = predicted(predictor, slide_file)
        torch.set_num_threads(1)
    np.testing.assert_allclose(again.values, whole.values, atol=1e-6)
    as_section = predictor(section, tmp_path / "cache", keep_unlike=True)
    np.testing.assert_allclose(as_section.values, whole.values, atol=1e-4)


def standard(predictor, feature):
    """Standardised features of spots, in NumPy."""
    state = {key: value.double().numpy() for key, value in predictor.model.state_dict().items()}
    return (feature - state["mean"]) / state["scale"]


def predictions(predictor, slides, cohort, folder):
    """Section and prediction by each way to predict one, held in memory and read from disk."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the drawn tissue is unlike the simulated cohort
        targets = (*map(str, slides), str(cohort))
        known = {"spacing_um": SPACING_UM, "mpp": MPP, "sections": ("P1S1",), "keep_unlike": True}
        list(predict(Order(predictor=predictor.folder, targets=targets, out=folder, **known)))
    section = read_cohort(str(cohort))["P1S1"]
    yield (
        section,
        predictor(section, folder / "cache", keep_unlike=True),
        read_prediction(folder / "P1S1.h5ad"),
    )
    for path in slides:
        held, written = predicted(predictor, path), read_prediction(folder / f"{path.stem}.h5ad")
        yield Section(path.stem, None, open_whole_slide(path, MPP), held.spots, None), held, written


def other_ways(predictor, plan, cohort, folder):
    """Features and the context's mean by each other way: pixels, explanation, benchmark cell."""
    section = read_cohort(str(cohort))["P1S1"].take(np.arange(9))
    queries = predictor.queries(section, folder / "cache")
    tiles = SlideTiles(section, predictor.encoding.tiles).read(np.arange(9)).float()
    of_pixels = predictor.from_pixels(tiles, torch.from_numpy(queries.xy_um)).heads
    yield standard(predictor, queries.feature), of_pixels[toys.CONTEXT_MEAN].detach().numpy(), 2e-3
    width = queries.feature.shape[1]
    read = represent(predictor, [section], folder / "cache", {}).values[:, -width:]
    yield standard(predictor, queries.feature), read, 1e-4
    for fold in plan.folds:
        fitted = load_predictor(predictor_folder(plan.out, predictor.row, fold))
        for test in fold.test:
            read = cell_prediction(plan, fold, predictor.row, test).head.evidence
            feature = plan.run_data.features(None, test, fold)
            yield standard(fitted, feature), read[toys.CONTEXT_MEAN], 1e-4


def test_every_way_shows_a_model_the_whole_item_and_keeps_what_it_says(
    trained, plan, result, slide_file, place, tmp_path
):
    slides = (slide_file, draw_slide(place / "other.png", seed=1, radius=150))
    cohort = place / "cohort" / "cohort.csv"
    of_sections, of_bags = trained[toys.SECTION], trained[toys.BAG]
    for section, held, written in predictions(of_sections, slides, cohort, tmp_path / "section"):
        read = standard(of_sections, of_sections.queries(section, tmp_path / "cache").feature)
        for prediction in (held, written):
            said = prediction.head.evidence[toys.CONTEXT_MEAN]
            np.testing.assert_allclose(said, np.tile(read.mean(axis=0), (len(read), 1)), atol=1e-4)
        np.testing.assert_array_equal(written.values, held.values)
    for read, said, off in other_ways(of_sections, plan, cohort, tmp_path):
        np.testing.assert_allclose(said, np.tile(read.mean(axis=0), (len(read), 1)), atol=off)
    for _, held, written in predictions(of_bags, slides, cohort, tmp_path / "bag"):
        for prediction in (held, written):
            said, bag = prediction.head.evidence, prediction.head.gene_facts[BAG]
            np.testing.assert_allclose(said["attention"], 1 / len(prediction.spots), rtol=1e-6)
            np.testing.assert_allclose(said["contribution"].sum(axis=0), bag, atol=1e-4)
        np.testing.assert_array_equal(written.values, held.values)
        np.testing.assert_allclose(written.head.gene_facts[BAG], held.head.gene_facts[BAG])


def test_pixels_of_one_section_give_what_the_section_gives(trained, place, tmp_path):
    section = read_cohort(str(place / "cohort" / "cohort.csv"))["P1S1"].take(np.arange(9))
    for name, predictor in trained.items():
        image = SlideTiles(section, predictor.encoding.tiles).read(np.arange(9)).float()
        queries = predictor.queries(section, tmp_path / "cache")
        xy_um = torch.from_numpy(queries.xy_um)
        output = predictor.from_pixels(image.requires_grad_(), xy_um).expression
        output.sum().backward()
        assert image.grad.abs().sum() > 0
        expected = (
            predictor.fitted.predict(queries).values
            if name == toys.SECTION
            else predictor.fitted.predict_bags(queries).values
        )
        np.testing.assert_allclose(output.detach().numpy(), expected, atol=2e-3)
    with pytest.raises(ValueError, match="give xy_um"):
        trained[toys.SECTION].from_pixels(image)
    one = trained[toys.BAG]
    other = copy.deepcopy(one.model)
    with torch.no_grad():
        for weight in other.parameters():
            weight.add_(0.5)
    both = replace(one, fitted=replace(one.fitted, others=(other,)))
    output = both.from_pixels(image, xy_um).expression.detach().numpy()
    np.testing.assert_allclose(output, both.fitted.predict_bags(queries).values, atol=2e-3)
    assert np.abs(output - one.fitted.predict_bags(queries).values).max() > 0.01


def test_what_the_last_layer_reads_is_explained_spot_by_spot(trained, place, tmp_path):
    cohort = read_cohort(str(place / "cohort" / "cohort.csv"))
    sections = ("P1S1", "P2S1")
    found = explain("latent", trained[toys.SECTION], cohort, out=tmp_path, sections=sections)
    assert found.question == "latent"
    table = pd.read_csv(tmp_path / "latent.csv")
    assert len(table) == sum(len(cohort[s].spots) for s in sections)
