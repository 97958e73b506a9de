"""Promises that every model of spots keeps; a new model is tested by being registered."""

import numpy as np
import pytest
import torch

from histoscribe.models.base import ExpressionModel, model_class
from histoscribe.models.evidence import ClassMapModel, GraphModel
from histoscribe.train.epoch_end import EpochEnd
from tests.contracts.fitting import KilledError, fitted, killed_after, models_of, predicted_by
from tests.contracts.tables import planted_table, queries_of
from tests.device_waits import DeviceWaits

MODELS = models_of("spot")


def briefly_fitted(name, tmp_path):
    return fitted(name, tmp_path, planted_table(n_spots=80), epochs=3)


@pytest.fixture(params=MODELS, scope="module")
def name(request):
    """A model; pytest runs all tests of one before those of the next."""
    return request.param


@pytest.fixture(scope="module")
def learned(name, tmp_path_factory):
    """This model, fitted for long enough to learn."""
    return fitted(name, tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def whole(name, tmp_path_factory):
    """The same, fitted on few spots for few epochs: what bits are compared with."""
    return briefly_fitted(name, tmp_path_factory.mktemp("whole"))


def test_one_row_a_spot_and_one_column_a_gene(learned, name):
    table = planted_table(1)
    predicted = predicted_by(learned, table)
    assert predicted.shape == table.target.shape
    assert np.isfinite(predicted).all()


def test_a_spot_does_not_depend_on_its_batch_mates(learned, name):
    table = planted_table(1)
    together = predicted_by(learned, table)
    alone = np.concatenate([predicted_by(learned, table, slice(i, i + 1)) for i in range(5)])
    np.testing.assert_allclose(together[:5], alone, atol=1e-5)


def test_prediction_draws_nothing(learned, name):
    table = planted_table(1)
    np.testing.assert_array_equal(predicted_by(learned, table), predicted_by(learned, table))


def test_same_seed_same_bits_and_the_global_generator_stays_as_it_was(whole, name, tmp_path):
    before, table = torch.get_rng_state(), planted_table(1, n_spots=80)
    again = briefly_fitted(name, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(again, table))


def test_a_planted_truth_is_found(learned, name):
    if name == "mean":
        pytest.skip("the mean looks at nothing")
    if name == "depth":
        pytest.skip("sees one scalar; its own test is in test_ridge.py")
    test = planted_table(0)  # same truth: the seed fixes the weights
    predicted = predicted_by(learned, test)
    r = [np.corrcoef(predicted[:, g], test.target[:, g])[0, 1] for g in range(4)]
    assert np.mean(r) > 0.3


def test_few_training_spots_without_inner_folds_are_fitted_all_the_same(name, tmp_path):
    table = planted_table(n_spots=12)
    small = type(table)(**{**vars(table), "inner": ()})
    assert np.isfinite(predicted_by(fitted(name, tmp_path, small, epochs=3), table)).all()


def test_gradients_reach_every_parameter(learned, name):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("no network")
    table, model = planted_table(1), learned.model
    names = model.inputs(model.config)
    inputs = learned.items(queries_of(table)).inputs(names, np.arange(64))
    model.train()(**inputs).expression.square().sum().backward()
    for parameter, value in model.named_parameters():
        assert value.grad is not None, parameter
        assert value.grad.abs().sum() > 0, parameter


def test_a_pass_lets_no_gpu_wait(learned, name):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("no network")
    model = learned.model
    names = model.inputs(model.config)
    inputs = learned.items(queries_of(planted_table(1))).inputs(names, np.arange(4))
    model.train()
    with DeviceWaits() as waits:
        model(**inputs).expression.sum().backward()
    model.zero_grad(set_to_none=True)
    model.eval()
    assert waits.names == []


def test_killed_between_epochs_ends_in_the_same_bits(whole, name, tmp_path, monkeypatch):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("fitted in one step")
    table = planted_table(1, n_spots=80)
    with monkeypatch.context() as patch:
        patch.setattr(EpochEnd, "on_train_epoch_end", killed_after(2))
        with pytest.raises(KilledError):
            briefly_fitted(name, tmp_path)
    resumed = briefly_fitted(name, tmp_path)
    np.testing.assert_array_equal(predicted_by(whole, table), predicted_by(resumed, table))
    assert whole.model.choice == resumed.model.choice


def test_the_last_layer_reads_the_representation(learned, name):
    if not issubclass(model_class(name), ExpressionModel):
        pytest.skip("no network")
    model = learned.model
    inputs = learned.items(queries_of(planted_table(1))).inputs(
        model.inputs(model.config), np.arange(5)
    )
    with torch.no_grad():
        representation = model.represent(**inputs)
        genes = model.read(representation).expression
        assert torch.equal(genes, model.forward(**inputs).expression)
        assert model.evidence(**inputs).keys() == model.evidence_widths().keys()
    assert representation.ndim == 2
    assert len(representation) == 5
    assert torch.isfinite(representation).all()


def test_the_genes_are_read_off_the_class_map(learned, name):
    model = learned.model
    if not isinstance(model, ClassMapModel):
        pytest.skip("has no map of channels")
    inputs = learned.items(queries_of(planted_table(1))).inputs(("image",), np.arange(5))
    with torch.no_grad():
        genes = model.genes_of_map(model.class_map(**inputs))
        assert torch.equal(genes, model(**inputs).expression)


def test_edges_lie_on_the_grid_and_asking_for_them_changes_no_bit(learned, name):
    model = learned.model
    if not isinstance(model, GraphModel) or model.graph_side() is None:
        pytest.skip("makes no graph")
    inputs = learned.items(queries_of(planted_table(1))).inputs(("image",), np.arange(5))
    with torch.no_grad():
        before = model(**inputs).expression
        both = model.graph_edges(**inputs)
        assert torch.equal(before, model(**inputs).expression)
    for edges in both:
        ends = torch.stack([edges.source, edges.target])
        assert ends.min() >= 0
        assert ends.max() < model.graph_side() ** 2
        assert (edges.weight >= 0).all()
        assert (edges.weight <= 1).all()
