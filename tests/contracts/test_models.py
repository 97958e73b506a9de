"""Promises that every model of the registry keeps; a new model is tested by being registered."""

import numpy as np
import pytest
import torch

from histoscribe.models.base import ExpressionModel, list_models, model_class
from histoscribe.train.config import MachineSettings, RunSettings, TrainSettings
from histoscribe.train.fit import fit, predict_spots
from tests.contracts.tables import planted_table

MODELS = [name for name in list_models()]


def fitted(name, tmp_path, table=None, epochs=20, seed=0):
    settings = RunSettings(
        seed=seed,
        cohort="none",
        models=(name,),
        settings={name: {"preset": "tiny"}},
        train=TrainSettings(epochs=epochs),
        run=MachineSettings(device="cpu"),
    )
    table = planted_table() if table is None else table
    return fit(name, table, settings, tmp_path / f"resume-{name}")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {name: fitted(name, folder) for name in MODELS}


@pytest.fixture(params=MODELS)
def name(request):
    return request.param


def test_one_row_a_spot_and_one_column_a_gene(models, name):
    table = planted_table(1)
    predicted = predict_spots(models[name], table.feature)
    assert predicted.shape == table.target.shape
    assert np.isfinite(predicted).all()


def test_a_spot_does_not_depend_on_its_batch_mates(models, name):
    feature = planted_table(1).feature
    together = predict_spots(models[name], feature)
    alone = np.concatenate([predict_spots(models[name], feature[i : i + 1]) for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)


def test_prediction_draws_nothing(models, name):
    feature = planted_table(1).feature
    np.testing.assert_array_equal(
        predict_spots(models[name], feature), predict_spots(models[name], feature)
    )


def test_same_seed_same_bits(models, name, tmp_path):
    feature = planted_table(1).feature
    again = fitted(name, tmp_path)
    np.testing.assert_array_equal(
        predict_spots(models[name], feature), predict_spots(again, feature)
    )


def test_fitting_leaves_the_global_generator_alone(name, tmp_path):
    before = torch.get_rng_state()
    fitted(name, tmp_path, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_planted_truth_is_found(models, name):
    if name == "mean":
        pytest.skip("the mean looks at nothing")
    if name == "depth":
        pytest.skip("sees one scalar; its own test is in test_ridge.py")
    test = planted_table(0)  # same truth: the seed fixes the weights
    predicted = predict_spots(models[name], test.feature)
    r = [np.corrcoef(predicted[:, g], test.target[:, g])[0, 1] for g in range(4)]
    assert np.mean(r) > 0.3


def test_few_training_spots_without_inner_folds_are_fitted_all_the_same(name, tmp_path):
    table = planted_table(n_spots=12)
    small = type(table)(**{**vars(table), "inner": ()})
    assert np.isfinite(predict_spots(fitted(name, tmp_path, small), table.feature)).all()


def test_gradients_reach_every_parameter(models, name):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("no network")
    model = models[name].train()
    model(torch.from_numpy(planted_table(1).feature)).expression.square().sum().backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter
    model.zero_grad(set_to_none=True)
    model.eval()


def test_killed_between_epochs_ends_in_the_same_bits(name, tmp_path):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("fitted in one step")
    feature = planted_table(1).feature
    whole = fitted(name, tmp_path / "whole", epochs=9)
    fitted(name, tmp_path / "parts", epochs=4)  # leaves its checkpoint, as a kill would
    resumed = fitted(name, tmp_path / "parts", epochs=9)
    np.testing.assert_array_equal(predict_spots(whole, feature), predict_spots(resumed, feature))
    assert whole.choice == resumed.choice
