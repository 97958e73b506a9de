"""Leak canaries: nothing that is fitted may notice the test patient.

Each changes the test patient's data, runs the same benchmark again and compares every file of
every predictor of that fold to the byte: panel, target state, validation scores, chosen
settings, weights, and the card of the training data. Then five leaks are planted, and a canary
must trip on each.
"""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import run_cells
from histoscribe.data.images import StackedTiles
from histoscribe.data.items.kinds import training_sides
from histoscribe.data.items.sections import SectionItems
from histoscribe.models.catalog import list_models
from histoscribe.train.run import train
from histoscribe.train.run_data import RunData
from histoscribe.train.tables import training_table
from histoscribe.types import SpotKeys, SpotTable
from tests import toys
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.contracts.fitting import models_of

TEST = "P3"
TRAINED = ("P1S1", "P2S1", "P4S1")
"""Three patients: one chooses the epoch, and two are left to give each other exemplars."""


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return tiny_cohort(tmp_path_factory.mktemp("cohort"), n_patients=4)


def settings_for(cohort: Path):
    models = list_models()
    tiny = {name: {"preset": "tiny"} for name in models}
    return tiny_settings(
        cohort,
        models=list(models),
        settings=tiny,
        folds={"test": [[TEST]]},
        train={"epochs": 3, "keep": "best"},
    )


def artefacts(run: Path) -> dict[str, bytes]:
    """Every file of the predictors of the fold that tests P3."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in sorted((run / "predictors").rglob("*"))
        if path.is_file()
    }


def trained(cohort: Path, folder: Path) -> dict[str, bytes]:
    settings = settings_for(cohort)
    run_cells(make_plan(settings, folder / "run", weights={}, cache=folder / "cache"))
    return artefacts(folder / "run")


def copied(cohort: Path, folder: Path) -> Path:
    shutil.copytree(cohort.parent, folder / "cohort")
    return folder / "cohort" / cohort.name


def noise_in_counts(manifest: Path) -> None:
    file = manifest.parent / f"{TEST}S1" / "filtered_feature_bc_matrix.h5"
    with h5py.File(file, "r+") as matrix:
        data = matrix["matrix/data"]
        data[:] = np.random.default_rng(5).integers(1, 500, data.shape)


def noise_in_image(manifest: Path) -> None:
    file = next(manifest.parent.glob(f"**/{TEST}S1*.jpg"))
    with Image.open(file) as image:
        size = image.size
    pixels = np.random.default_rng(6).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)


@pytest.fixture(scope="module")
def reference(cohort, tmp_path_factory):
    return trained(cohort, tmp_path_factory.mktemp("reference"))


def test_training_does_not_notice_noise_in_the_test_patient(cohort, reference, tmp_path):
    changed = copied(cohort, tmp_path)
    noise_in_counts(changed)
    noise_in_image(changed)
    assert trained(changed, tmp_path) == reference


def test_every_model_leaves_artefacts_that_the_canaries_compare(reference):
    for name in list_models():
        assert f"predictors/{name}/{TEST}/predictor.json" in reference


@pytest.fixture(scope="module")
def cache_of_the_rest(tmp_path_factory):
    """Features of the cohort without its test sections, for all models and no other run."""
    return tmp_path_factory.mktemp("cache-of-the-rest")


@pytest.mark.parametrize("name", list_models())
def test_training_does_not_notice_test_sections_taken_out(
    cohort, reference, cache_of_the_rest, tmp_path, name
):
    settings = settings_for(cohort).model_copy(update={"models": (name,), "sections": TRAINED})
    train(settings=settings, out=tmp_path / "out", cache=cache_of_the_rest)
    prefix = f"predictors/{name}/{TEST}/"
    expected = {
        file.removeprefix(prefix): value for file, value in reference.items() if prefix in file
    }
    found = {file: (tmp_path / "out" / file).read_bytes() for file in expected}
    assert of_training(found) == of_training(expected)


def of_training(files: dict[str, bytes]) -> dict[str, object]:
    """The files of a predictor, without the checksum of settings: a run keeps these elsewhere."""
    record = json.loads(files["predictor.json"])
    record["files"].pop("settings.toml", None)
    del record["sha256"]  # of the record with that checksum
    return {**files, "predictor.json": record}


# ---------------------------------------------------------------------------- planted leaks


@pytest.fixture(scope="module")
def trained_with_a_leak(tmp_path_factory):
    """Train one model; the leaks are planted behind the features, so all these runs share them."""
    cache = tmp_path_factory.mktemp("cache-of-leaks")

    def run(cohort: Path, folder: Path, model: str) -> dict[str, bytes]:
        settings = settings_for(cohort).model_copy(update={"models": (model,)})
        run_cells(make_plan(settings, folder / "run", weights={}, cache=cache))
        return artefacts(folder / "run")

    return run


def panel_of_all(monkeypatch):
    """The panel is chosen on every section."""
    honest = RunData.target

    def leaky(run_data, train, genes=None):
        cohort, everything = run_data.cohort, {}
        for id_ in cohort.ids:
            everything[id_] = np.arange(len(cohort[id_].spots))
        return honest(run_data, everything, genes)

    monkeypatch.setattr(RunData, "target", leaky)


def scale_of_all(monkeypatch):
    """Features are scaled by every section."""
    honest = training_table

    def leaky(run_data, fold, target, encoder, *, tiles=False):
        table: SpotTable = honest(run_data, fold, target, encoder, tiles=tiles)
        everything = [run_data.features(encoder, id_) for id_ in run_data.cohort.ids]
        return replace(table, feature=table.feature - np.concatenate(everything).mean(axis=0))

    monkeypatch.setattr("histoscribe.train.tables.training_table", leaky)


def with_test_spots(table: SpotTable, run_data: RunData, fold, target) -> SpotTable:
    """The training table with the spots of the test sections below."""
    test = sorted(fold.test)
    feature = np.concatenate([run_data.features(None, id_) for id_ in test])
    measured = np.concatenate([target.apply(run_data.cohort[id_]) for id_ in test])
    leaked = SpotKeys.of_section("test", "test", [str(row) for row in range(len(measured))])
    return replace(
        table,
        feature=np.concatenate([table.feature, feature]),
        target=np.concatenate([table.target, measured]),
        log_total=np.concatenate([table.log_total, np.zeros(len(measured))]),
        keys=SpotKeys.concatenate([table.keys, leaked]),
        xy_um=None,
        image=None if table.image is None else tiles_with_test(run_data, fold),
    )


def tiles_with_test(run_data: RunData, fold) -> StackedTiles:
    """The tiles of the training spots, and those of the test sections below."""
    train = [(run_data.tiles.pixels(s, fold), rows) for s, rows in sorted(fold.train.items())]
    test = [(run_data.tiles.pixels(s, fold), rows) for s, rows in sorted(fold.test.items())]
    return StackedTiles(train + test)


def retrieval_of_all(monkeypatch):
    """The spots that neighbours are looked up among hold the test spots."""
    honest = training_table

    def leaky(run_data, fold, target, encoder, *, tiles=False):
        table = honest(run_data, fold, target, encoder, tiles=tiles)
        return with_test_spots(table, run_data, fold, target) if encoder is None else table

    monkeypatch.setattr("histoscribe.train.tables.training_table", leaky)


def epoch_by_test(monkeypatch):
    """The epoch (and alpha) is chosen on the test spots."""
    honest = training_table

    def leaky(run_data, fold, target, encoder, *, tiles=False):
        table = honest(run_data, fold, target, encoder, tiles=tiles)
        if encoder is not None:
            return table
        longer = with_test_spots(table, run_data, fold, target)
        n, total = len(table.target), len(longer.target)
        return replace(longer, inner=((np.arange(n), np.arange(n, total)),))

    monkeypatch.setattr("histoscribe.train.tables.training_table", leaky)


@pytest.mark.parametrize(
    ("leak", "noise", "model"),
    [
        (panel_of_all, noise_in_counts, "ridge"),
        (scale_of_all, noise_in_image, "ridge"),
        (retrieval_of_all, noise_in_counts, "knn"),
        (retrieval_of_all, noise_in_counts, "egn"),
        (epoch_by_test, noise_in_counts, "mlp"),
    ],
)
def test_a_planted_leak_trips_a_canary(
    cohort, trained_with_a_leak, tmp_path, monkeypatch, leak, noise, model
):
    changed = copied(cohort, tmp_path)
    noise(changed)
    leak(monkeypatch)
    before = trained_with_a_leak(cohort, tmp_path / "before", model)
    assert trained_with_a_leak(changed, tmp_path / "after", model) != before


def context_of_all(monkeypatch):
    """Each training section is read beside the spots of the test section, which have no label."""
    honest_table, honest_sides = training_table, training_sides

    def remembering(run_data, fold, target, encoder, *, tiles=False):
        remembering.longer = with_test_spots(
            honest_table(run_data, fold, target, encoder), run_data, fold, target
        )
        return honest_table(run_data, fold, target, encoder, tiles=tiles)

    def leaky(kind, spots, fit, val):
        longer = remembering.longer
        test = np.arange(len(spots), len(longer))
        target = longer.target.copy()
        target[test] = 0
        xy_um = np.concatenate([spots.table.xy_um, np.zeros((len(test), 2))])
        sides = honest_sides(kind, spots, fit, val)
        runs = tuple(
            np.concatenate([run, test]) if number in sides.fit else run
            for number, run in enumerate(sides.items.runs)
        )
        table = replace(longer, target=target, xy_um=xy_um)
        return replace(sides, items=SectionItems(table, runs))

    monkeypatch.setattr("histoscribe.train.tables.training_table", remembering)
    monkeypatch.setattr("histoscribe.train.fit.training_sides", leaky)


@pytest.mark.parametrize("model", [toys.SECTION, *models_of("section")])
def test_a_test_section_in_a_training_context_trips_a_canary(
    cohort, trained_with_a_leak, tmp_path, monkeypatch, model
):
    changed = copied(cohort, tmp_path)
    noise_in_image(changed)
    context_of_all(monkeypatch)
    with toys.registered():
        before = trained_with_a_leak(cohort, tmp_path / "before", model)
        assert trained_with_a_leak(changed, tmp_path / "after", model) != before


def test_the_fold_of_the_canaries_trains_on_the_other_patients(cohort, tmp_path):
    (fold,) = make_plan(settings_for(cohort), tmp_path, weights={}, cache=tmp_path).folds
    assert set(fold.train) == set(TRAINED)
    assert set(fold.test) == {f"{TEST}S1"}
