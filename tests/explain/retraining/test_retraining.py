"""The model of a predictor trained again on other spots, labels and settings."""

from dataclasses import replace

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.explain.retraining.labels import permuted_in_sections
from histoscribe.explain.retraining.recipe import training_recipe, with_changes
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.explain.retraining.spot_rows import fold_of, share_of_spots, spots_of_patients
from histoscribe.train.run import train
from histoscribe.train.run_data import RunData
from tests.explain.memory.toy import MPP, PITCH_PX, toy_cohort, toy_predictor


@pytest.fixture(scope="module")
def cohort():
    return toy_cohort(0)


@pytest.fixture(scope="module")
def ridge(cohort, tmp_path_factory):
    tiles = {"tile_px": PITCH_PX, "mpp": MPP, "white_off_tissue": False}
    out = tmp_path_factory.mktemp("ridge") / "ridge"
    return train(cohort, "ridge", target={"n_genes": 4}, inputs=tiles, out=out)


@pytest.fixture
def retraining_on(cohort, tmp_path):
    def make(predictor, *patients, **options):
        recipe = training_recipe(predictor)
        run_data = RunData(recipe, cohort, {}, tmp_path)
        test = spots_of_patients(cohort, {"P3"})
        fold = fold_of(cohort, spots_of_patients(cohort, patients), test)
        return Retraining(run_data, fold, **options)

    return make


def test_an_estimator_trained_again_on_its_own_patients_is_the_same(ridge, retraining_on, cohort):
    every = spots_of_patients(cohort, {"P0", "P1", "P2", "P3"})
    run_data = retraining_on(ridge, "P0").run_data
    again = Retraining(run_data, fold_of(cohort, every, {})).predictor()
    section = cohort["P0S"]
    first = ridge(section, keep_unlike=True)
    np.testing.assert_array_equal(again(section, keep_unlike=True).values, first.values)
    assert again.target.genes == ridge.target.genes


def test_a_network_trained_again_on_its_own_patients_is_the_same(cohort, tmp_path):
    first = toy_predictor()
    two = cohort.subset(["P0S", "P1S"])
    run_data = RunData(training_recipe(first), two, {}, tmp_path)
    again = Retraining(run_data, fold_of(two, spots_of_patients(two, {"P0", "P1"}), {})).predictor()
    np.testing.assert_array_equal(
        again(two["P0S"], keep_unlike=True).values, first(two["P0S"], keep_unlike=True).values
    )


def test_changed_labels_change_the_model_and_nothing_else(ridge, retraining_on):
    retraining = retraining_on(ridge, "P0", "P1", "P2")
    before = retraining.table.target.copy()
    keys = retraining.table.keys
    exchange = permuted_in_sections(keys, np.arange(len(keys)), 1.0, seed=0)
    shuffled, plain = retraining.predictor(exchange.apply), retraining.predictor()
    np.testing.assert_array_equal(retraining.table.target, before)
    section = retraining.run_data.cohort["P3S"]
    values = [one(section, keep_unlike=True).values for one in (shuffled, plain)]
    spread = [np.std(of, axis=0).mean() for of in values]
    assert spread[0] < spread[1] / 2


def test_genes_and_unit_can_be_kept_over_folds(ridge, retraining_on):
    free = retraining_on(ridge, "P0")
    kept = retraining_on(ridge, "P0", genes_of=ridge.target)
    assert kept.predictor().target is ridge.target
    assert free.target is not ridge.target


def test_settings_can_be_changed_and_are_checked(ridge):
    recipe = training_recipe(toy_predictor())
    changed = with_changes(recipe, seed=3, train={"epochs": 2}, target={"n_genes": 3})
    assert (changed.seed, changed.train.epochs, changed.target.n_genes) == (3, 2, 3)
    assert changed.train.learning_rate == recipe.train.learning_rate
    assert changed.settings == recipe.settings
    with pytest.raises(DataContractError, match="epoch"):
        with_changes(recipe, train={"epoch": 2})


def test_a_smaller_share_is_a_part_of_a_larger_one(cohort):
    rows = spots_of_patients(cohort, {"P0", "P1"})
    tenth, third = (share_of_spots(rows, share, seed=0) for share in (0.1, 1 / 3))
    assert {id_: len(of) for id_, of in tenth.items()} == {"P0S": 5, "P1S": 5}
    assert all(set(tenth[id_]) < set(third[id_]) for id_ in rows)
    assert all((np.diff(of) > 0).all() for of in third.values())
    with pytest.raises(ValueError, match="on both sides: P0"):
        fold_of(cohort, rows, spots_of_patients(cohort, {"P0"}))


def test_the_time_is_that_of_all_epochs(retraining_on):
    retraining = retraining_on(toy_predictor(), "P0", "P1", "P2")
    epochs = []
    retraining.seconds(lambda settings: epochs.append(settings.train.epochs))
    assert epochs == [1]
    assert retraining.seconds() > 0


def test_a_training_in_several_processes_is_repeated_in_one(tmp_path):
    first = toy_predictor()
    text = (first.folder / "settings.toml").read_text()
    assert "devices = 1" in text
    (tmp_path / "settings.toml").write_text(text.replace("devices = 1", "devices = 2"))
    two = replace(first, folder=tmp_path)
    assert training_recipe(two).run.devices == 1
    with pytest.raises(DataContractError, match=r"run\.devices = 2"):
        training_recipe(two, epochs_needed=True)


def test_epochs_and_batch_are_those_of_the_card_where_the_settings_leave_them_open(tmp_path):
    first = toy_predictor()
    head, of_train, rest = (first.folder / "settings.toml").read_text().partition("[train]\n")
    for line in ("epochs = 8\n", "batch_size = 32\n"):
        assert rest.count(line) == 1
        rest = rest.replace(line, "")
    (tmp_path / "settings.toml").write_text(head + of_train + rest)
    again = training_recipe(replace(first, folder=tmp_path)).train
    assert (again.epochs, again.batch_size) == (8, 32)


def test_what_was_not_trained_on_spots_is_refused(tmp_path):
    lost = replace(toy_predictor(), folder=tmp_path)
    with pytest.raises(DataContractError, match=r"no settings\.toml beside it"):
        training_recipe(lost)
