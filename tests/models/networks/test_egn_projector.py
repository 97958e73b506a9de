"""The projector of the corrected paper, and exemplars' expression on the scale of features."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.models.base import create_model
from tests.models.networks.test_egn import DIM, GENES, NAMES, WIDTH, facts, inputs, network

DEVIATION = 0.1
IN_UNITS = replace(facts(), target_mean=np.full(GENES, 0.5))
"""A target of `log10-minmax`: 0 to 1, with a deviation of about 0.1."""


def of_units(name, factor=1.0, deviation=DEVIATION, **settings):
    """A network on a target in other units, from the same random numbers."""
    told = replace(
        IN_UNITS,
        target_mean=factor * IN_UNITS.target_mean,
        target_scale=factor * np.full(GENES, deviation),
    )
    torch.manual_seed(0)
    return create_model(name, facts=told, preset="tiny", **settings).eval()


def spots(factor=1.0, seed=2):
    """Inputs with exemplars' expression of `IN_UNITS`."""
    image, feature, code, _ = inputs(16, 4, seed)
    draw = torch.Generator().manual_seed(seed)
    expression = 0.5 + DEVIATION * torch.randn(16, 4, GENES, generator=draw)
    return image, feature, code, factor * expression


def test_spot_and_exemplars_share_the_first_layer_and_have_one_of_their_own_each():
    model = network("egn")
    _, feature, code, expression = inputs()
    layers = model.projector
    nothing = torch.zeros(len(feature), GENES)
    first = layers.bottom(torch.cat([feature, nothing], dim=1)).relu()
    torch.testing.assert_close(model.project_spot(feature), layers.of_spot(first))
    first = layers.bottom(torch.cat([code, expression], dim=2)).relu()
    state = model.project_exemplars(code, expression)
    torch.testing.assert_close(state.code, layers.of_exemplar(first))
    assert torch.equal(state.expression, model.expression(expression))
    assert isinstance(model.expression, torch.nn.Linear)


def test_without_projector_one_linear_map_each_is_left():
    model = network("egn", projector=False)
    made = sum(value.numel() for value in model.projector.parameters())
    assert made == (WIDTH + 1 + WIDTH + GENES + 1) * DIM
    model(*inputs()).expression.sum().backward()
    assert all(value.grad.any() for value in model.projector.parameters())


def moved(model, given):
    """Change of the output if spots swap their exemplars' expression, in output deviations."""
    *others, expression = given
    with torch.no_grad():
        before = model(*given).expression
        after = model(*others, expression.roll(1, dims=0)).expression
    return ((after - before).std() / before.std()).item()


def test_expression_moves_a_new_network_whatever_its_scale():
    share = moved(of_units("egn"), spots())
    assert share > 0.1
    assert share == pytest.approx(moved(of_units("egn", 100), spots(100)), rel=1e-3)
    assert moved(of_units("egn", deviation=1.0), spots()) < 0.15 * share
    unscaled = of_units("egn-released")
    assert moved(unscaled, spots()) < 0.05 * share
    assert not hasattr(unscaled, "target_scale")


@pytest.mark.parametrize("factor", [1e-6, 0.01, 100.0])
@pytest.mark.parametrize(
    ("name", "settings"),
    [("egn", {}), ("egn", {"projector": False}), ("egn-readout", {}), ("retro", {})],
)
def test_the_representation_does_not_depend_on_the_unit_of_the_target(name, settings, factor):
    if name == "retro":
        settings = {"with_expression": True}
    before, after = of_units(name, **settings), of_units(name, factor, **settings)
    first = 2 * (name == "retro")  # it reads no feature
    given, turned = spots(), spots(factor)
    if first:
        given, turned = ((image, *rest) for image, _, *rest in (given, turned))
    torch.testing.assert_close(
        before.represent(*given), after.represent(*turned), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", [*NAMES, "egn-readout"])
def test_a_gene_that_is_constant_in_training_has_a_finite_state(name):
    told = replace(facts(), target_scale=np.r_[0.0, 1e-9, np.nan, np.full(GENES - 3, 1.0)])
    torch.manual_seed(0)
    model = create_model(name, facts=told, preset="tiny").eval()
    with torch.no_grad():
        assert model(*inputs()).expression.abs().max() < 100
    np.testing.assert_array_equal(told.target_unit, np.ones(GENES))


def test_one_number_is_the_deviation_of_every_gene():
    told = replace(facts(), target_scale=0.25)
    np.testing.assert_array_equal(told.target_unit, np.full(len(told.target_mean), 0.25))
