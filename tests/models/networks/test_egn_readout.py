"""The readout of exemplars, added to the Exemplar Guided Network."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from histoscribe.models.base import create_model, make_config
from histoscribe.types import Labels
from tests.models.networks.test_egn import DIM, GENES, facts, inputs, network

FOLDER = Path(__file__).parents[3] / "benchmarks"
SEED = 7  # the table of the page has seeds 0 to 2


@pytest.fixture
def planted(monkeypatch):
    """benchmarks/egn_planted.py with less to read: tiles of one patch, features of 128."""
    monkeypatch.syspath_prepend(FOLDER)
    spec = importlib.util.spec_from_file_location("egn_planted", FOLDER / "egn_planted.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)  # dataclasses look their module up
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "TILE_PX", 32)
    monkeypatch.setattr(module, "WIDTH", 128)
    return module


def learned(planted, kind, steps, deviation):
    """Correlation after these steps, with that of the mean of all exemplars."""
    spots = planted.Planted.of_seed(kind, deviation, SEED)
    model = planted.trained("egn-readout", spots, steps, SEED)
    test, truth = spots.spots(1000)
    with torch.no_grad():
        predicted = model(**test).expression
    mean = planted.correlation(test["exemplar_target"].mean(dim=1), truth)
    return planted.correlation(predicted, truth), mean


def test_one_duplicate_among_eight_strangers_is_found_in_250_steps(planted):
    read, mean = learned(planted, "duplicate", 250, deviation=0.1)
    assert mean < 0.4
    assert read > 0.9


def test_strangers_leave_nothing(planted):
    read, _ = learned(planted, "strangers", 100, deviation=1.0)
    # the mean over genes has a standard error of 1 / sqrt(spots x genes)
    assert abs(read) < 3 / np.sqrt(1000 * planted.GENES)


def test_without_gain_it_is_the_network():
    plain, model = network("egn"), network("egn-readout")
    with torch.no_grad():
        model.gain.zero_()
    assert set(model.state_dict()) - set(plain.state_dict()) == {"gain", "log_sharpness"}
    assert torch.equal(model(*inputs()).expression, plain(*inputs()).expression)


def test_it_adds_the_weighted_mean_in_the_unit_of_the_target():
    told = replace(facts(), target_scale=np.linspace(0.1, 3, GENES))
    torch.manual_seed(0)
    model = create_model("egn-readout", facts=told, preset="tiny").eval()
    image, feature, code, expression = inputs()
    with torch.no_grad():
        network_alone = model.head(model.represent(*inputs())[:, : 2 * DIM])
        added = (model(*inputs()).expression - network_alone).numpy()
    gain, sharpness = model.readout_gain.item(), model.sharpness.item()
    assert (gain, sharpness) == pytest.approx((0.1, 5.0))
    for spot in range(len(image)):
        apart = (code[spot] - feature[spot]).numpy() / told.feature_scale
        weight = np.exp(-sharpness * (apart**2).mean(axis=1) / 2)
        centred = expression[spot].numpy() - told.target_mean
        expected = gain * (weight / weight.sum()) @ centred
        np.testing.assert_allclose(added[spot], expected, rtol=1e-3, atol=1e-4)


def test_weights_sum_to_one_and_a_duplicate_has_nearly_all():
    model = network("egn-readout")
    _, feature, code, _ = inputs()
    weight = model.exemplar_weights(feature, code)
    torch.testing.assert_close(weight.sum(dim=1), torch.ones(len(feature)))
    code[:, 2] = feature
    assert (model.exemplar_weights(feature, code).argmax(dim=1) == 2).all()


def test_the_last_layer_reads_the_representation():
    model = network("egn-readout")
    representation = model.represent(*inputs())
    assert representation.shape == (6, 2 * DIM + GENES)
    assert torch.equal(model.read(representation).expression, model(*inputs()).expression)


def test_gradients_reach_every_parameter():
    model = network("egn-readout").train()
    model.loss(model(*inputs()), Labels(torch.rand(6, GENES))).backward()
    assert [key for key, value in model.named_parameters() if not value.grad.any()] == []


def test_it_refuses_to_be_without_exemplars():
    with pytest.raises(ValueError, match=r"sees = 'feature'.* 'exemplars'"):
        make_config("egn-readout", {"sees": "feature"})
    with pytest.raises(ValueError, match="give feature, exemplar_feature and exemplar_target"):
        network("egn-readout")(inputs()[0])
