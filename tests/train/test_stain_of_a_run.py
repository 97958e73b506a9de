"""Colour references and jittered views as a fold uses them."""

import json

import numpy as np
import pytest

from histoscribe.data.folds import make_folds, whole_fold
from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.models.catalog import list_models
from histoscribe.predictor.encoding import Encoding
from histoscribe.predictor.saving import load_predictor
from histoscribe.train.run import train
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import parse_settings
from histoscribe.train.tables import training_table
from histoscribe.types import SpotKeys
from tests.benchmark.runs import tiny_cohort, tiny_settings

INPUTS = {"tile_px": 64, "mpp": 1.0}
JITTERED = {**INPUTS, "hed_jitter": 0.05, "views": 2}
NORMALISED = {**INPUTS, "stain": "reinhard"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stain")
    tiny_cohort(folder / "cohort")
    return folder


def settings_for(place, inputs, **changes):
    return tiny_settings(next((place / "cohort").glob("*.csv")), inputs=inputs, **changes)


def bank_for(place, inputs):
    settings = settings_for(place, inputs)
    return RunData(settings, read_cohort(settings.cohort), {}, place / "cache")


def folds_of(run_data):
    return {
        f.name: f
        for f in make_folds(run_data.cohort, run_data.settings.folds, run_data.settings.seed)
    }


def test_each_fold_has_the_reference_of_its_training_slides_alone(place):
    run_data = bank_for(place, NORMALISED)
    folds = folds_of(run_data)
    references = {name: run_data.encoding(None, fold).stain for name, fold in folds.items()}
    assert len(set(references.values())) == 3
    for name, fold in folds.items():
        without = RunData(
            run_data.settings, run_data.cohort.subset(sorted(fold.train)), {}, place / "cache"
        )
        assert without.encoding(None, whole_fold(without.cohort)).stain == references[name]


def test_features_of_a_section_are_those_of_the_fold_that_asks(place):
    run_data = bank_for(place, NORMALISED)
    one, two = list(folds_of(run_data).values())[:2]
    first = run_data.features(None, "P3S1", one)
    second = run_data.features(None, "P3S1", two)
    assert np.abs(first - second).max() > 1e-3
    np.testing.assert_array_equal(run_data.features(None, "P3S1", one), first)
    with pytest.raises(ValueError, match="give the fold"):
        run_data.features(None, "P3S1")


def test_without_a_stain_every_fold_and_none_has_the_same_features(place):
    run_data = bank_for(place, INPUTS)
    fold = folds_of(run_data)["P1"]
    assert run_data.features(None, "P1S1", fold) is run_data.features(None, "P1S1")
    assert run_data.encoding(None, fold) == run_data.encoding(None, None)
    assert "stain" not in run_data.encoding(None, None).to_json()


def test_slides_that_cannot_be_normalised_are_all_named_before_the_work(place, monkeypatch):
    def refused(slide, mask):
        from histoscribe.data.stain import _unusable

        raise DataContractError(_unusable(slide, "no tissue"))

    monkeypatch.setattr("histoscribe.train.slide_colours.tissue_colour", refused)
    with pytest.raises(DataContractError) as caught:
        bank_for(place, NORMALISED).check()
    assert len(caught.value.problems) == 3
    bank_for(place, INPUTS).check()


def test_an_encoding_and_its_stain_come_back_from_json(place):
    normalised, plain = bank_for(place, NORMALISED), bank_for(place, INPUTS)
    fold = folds_of(plain)["P1"]
    for encoding in (normalised.encoding(None, fold), plain.encoding(None, fold)):
        again = Encoding.from_json(json.loads(json.dumps(encoding.to_json())))
        assert again == encoding
        assert again.tiles.identity == encoding.tiles.identity


def test_views_are_stacked_below_the_spots_with_the_same_targets(place):
    plain, jittered = bank_for(place, INPUTS), bank_for(place, JITTERED)
    fold = folds_of(plain)["P1"]
    target = plain.target(fold.train)
    once, table = (training_table(run_data, fold, target, None) for run_data in (plain, jittered))
    n_spots = len(once.target)
    assert (once.copies, table.copies) == (1, 3)
    np.testing.assert_array_equal(table.feature[:n_spots], once.feature)
    np.testing.assert_array_equal(table.target, np.tile(once.target, (3, 1)))
    np.testing.assert_array_equal(table.log_total, np.tile(once.log_total, 3))
    assert table.keys.same_spots(SpotKeys.concatenate(3 * [once.keys]))
    blocks = table.feature.reshape(3, n_spots, -1)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (np.abs(blocks[one] - blocks[other]).max(axis=1) > 0).mean() > 0.9


def test_inner_splits_fit_on_views_and_choose_on_spots_as_they_are(place):
    plain, jittered = bank_for(place, INPUTS), bank_for(place, JITTERED)
    fold = folds_of(plain)["P1"]
    target = plain.target(fold.train)
    once, table = (training_table(run_data, fold, target, None) for run_data in (plain, jittered))
    n_spots = len(once.target)
    assert once.inner
    for (fit, val), (fit_of_views, val_of_views) in zip(once.inner, table.inner, strict=True):
        np.testing.assert_array_equal(val_of_views, val)
        np.testing.assert_array_equal(
            fit_of_views, np.concatenate([fit, fit + n_spots, fit + 2 * n_spots])
        )
        assert not set(fit_of_views % n_spots) & set(val)
    again = table.as_they_are
    np.testing.assert_array_equal(again.feature, once.feature)
    assert again.keys.same_spots(once.keys)
    assert again.copies == 1
    facts = plain.cohort.facts
    assert set(again.sites.items()) == {(s[:2], facts[s]["site"]) for s in fold.train}
    for one, two in zip(again.inner, once.inner, strict=True):
        np.testing.assert_array_equal(one[0], two[0])


def test_test_spots_are_never_jittered(place):
    plain, jittered = bank_for(place, INPUTS), bank_for(place, JITTERED)
    fold = folds_of(plain)["P1"]
    of_test = jittered.extract(None, "P1S1", fold)
    np.testing.assert_array_equal(
        jittered.features(None, "P1S1", fold), plain.features(None, "P1S1")
    )
    assert len(of_test.precisions) == 1  # the view of the unchanged tissue
    assert len(jittered.extract(None, "P2S1", fold).precisions) == 3


def test_views_without_jitter_are_refused(place):
    table = settings_for(place, INPUTS).model_dump(mode="json")
    with pytest.raises(DataContractError, match="they would be copies"):
        parse_settings({**table, "inputs": {**INPUTS, "views": 2}}, "settings")


@pytest.mark.parametrize(
    ("model", "inputs"),
    [*((name, JITTERED) for name in list_models()), ("ridge", NORMALISED), ("mlp", NORMALISED)],
)
def test_every_model_is_fitted_and_a_loaded_predictor_predicts_the_same(
    place, tmp_path, model, inputs
):
    settings = settings_for(
        place,
        inputs,
        models=[model],
        settings={model: {"preset": "tiny"}},
        train={"epochs": 2},
    )
    before = train(settings=settings, out=tmp_path / "out", cache=place / "cache")
    after = load_predictor(tmp_path / "out")
    section = read_cohort(settings.cohort)["P1S1"]
    one, two = (predictor(section, place / "cache") for predictor in (before, after))
    assert one.values.tobytes() == two.values.tobytes()
    assert after.encoding == before.encoding
    assert (after.encoding.stain is not None) == (inputs is NORMALISED)
    assert after.card.views == (2 if inputs is JITTERED else 0)
    assert train(settings=settings, out=tmp_path / "out", cache=place / "cache").hash == after.hash
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert ("given the colours of the training slides (Reinhard" in card) == (inputs is NORMALISED)
    assert ("on 2 views more of each spot, stains jittered by up to" in card) == (
        inputs is JITTERED
    )
