"""The readout of exemplars, added to the Exemplar Guided Network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.models.base import create_model, make_config
from histoscribe.types import Labels
from tests.models.networks.test_egn import DIM, GENES, facts, inputs, network


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
    gain, sharpness = 10 * model.gain.item(), np.exp(10 * model.log_sharpness.item())
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
    with pytest.raises(ValueError, match='sees = "feature": egn-readout reads exemplars'):
        make_config("egn-readout", {"sees": "feature"})
    with pytest.raises(ValueError, match="give feature, exemplar_feature and exemplar_target"):
        network("egn-readout")(inputs()[0])
