"""Whole runs with normalised stain and jittered views: honest, and said on the card."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from histoscribe.benchmark.band import permuted_rows
from histoscribe.benchmark.plan import make_plan
from histoscribe.benchmark.run import benchmark, run_cells
from histoscribe.train.run import train
from histoscribe.train.slide_colours import SlideColours
from histoscribe.types import SpotKeys
from tests.benchmark import test_canaries as canaries
from tests.benchmark.runs import tiny_cohort, tiny_settings
from tests.contracts.tables import planted_table

INPUTS = {"tile_px": 64, "mpp": 1.0, "stain": "reinhard", "hed_jitter": 0.05}


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    return tiny_cohort(tmp_path_factory.mktemp("cohort"))


def settings_for(cohort, models=("ridge",)):
    folds = {"test": [[canaries.TEST]]}
    return tiny_settings(cohort, models=list(models), inputs=INPUTS, folds=folds)


def trained(cohort, folder):
    run_cells(make_plan(settings_for(cohort), folder / "run", weights={}, cache=folder / "cache"))
    return canaries.artefacts(folder / "run")


def other_tissue(manifest):
    """Another picture for the test patient: upside down, in other colours, still tissue."""
    file = next(manifest.parent.glob(f"**/{canaries.TEST}S1*.jpg"))
    with Image.open(file) as image:
        pixels = np.asarray(image)
    Image.fromarray(pixels[::-1, :, [1, 2, 0]]).save(file)


@pytest.fixture(scope="module")
def reference(cohort, tmp_path_factory):
    return trained(cohort, tmp_path_factory.mktemp("reference"))


def test_the_reference_does_not_notice_another_test_image(cohort, reference, tmp_path):
    changed = canaries.copied(cohort, tmp_path)
    other_tissue(changed)
    assert trained(changed, tmp_path) == reference


def test_training_does_not_notice_test_sections_taken_out(cohort, reference, tmp_path):
    settings = settings_for(cohort).model_copy(update={"sections": ("P1S1", "P2S1")})
    train(settings=settings, out=tmp_path / "out", cache=tmp_path / "cache")
    prefix = f"predictors/ridge/{canaries.TEST}/"
    expected = {file.removeprefix(prefix): value for file, value in reference.items()}
    found = {file: (tmp_path / "out" / file).read_bytes() for file in expected}
    assert canaries.of_training(found) == canaries.of_training(expected)


def test_a_reference_of_all_slides_trips_the_canary(cohort, tmp_path, monkeypatch):
    honest = SlideColours.reference

    def leaky(colours, fold):
        everything = {id_: np.arange(len(colours.cohort[id_].spots)) for id_ in colours.cohort.ids}
        return honest(colours, replace(fold, train=everything))

    monkeypatch.setattr(SlideColours, "reference", leaky)
    changed = canaries.copied(cohort, tmp_path)
    other_tissue(changed)
    before = trained(cohort, tmp_path / "before")
    assert trained(changed, tmp_path / "after") != before


def test_the_card_says_what_was_done_to_stain_and_spots(cohort, tmp_path):
    settings = settings_for(cohort, ("mean", "ridge"))
    found = benchmark(settings=settings, out=tmp_path / "run", cache=tmp_path / "cache")
    card = json.loads((found.folder / "card.json").read_text())
    record = json.loads(
        (found.folder / "predictors" / "ridge" / canaries.TEST / "predictor.json").read_text()
    )
    assert card["stain"] == {canaries.TEST: record["encoding"]["stain"]}
    assert record["card"]["views"] == 1
    text = (found.folder / "card.md").read_text()
    assert "- Stain: the tissue of every slide" in text
    assert "besides, 1 of each with its stains jittered (HED, up to 0.05)" in text
    assert found.scores["value"].notna().any()


def test_jittered_views_are_shuffled_with_their_spot():
    once = planted_table()
    n_spots = len(once.target)
    twice = replace(
        once,
        feature=np.tile(once.feature, (2, 1)),
        target=np.tile(once.target, (2, 1)),
        log_total=np.tile(once.log_total, 2),
        keys=SpotKeys.concatenate([once.keys, once.keys]),
        xy_um=None,
        copies=2,
    )
    rows = permuted_rows(twice, seed=0, run=3)
    np.testing.assert_array_equal(rows[:n_spots], permuted_rows(once, seed=0, run=3))
    np.testing.assert_array_equal(rows[n_spots:], rows[:n_spots] + n_spots)
