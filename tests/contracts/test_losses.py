"""Promises of every loss with every network of the registry; a new network is tested by that."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from histoscribe.models.base import (
    ExpressionModel,
    Facts,
    create_model,
    inputs_of,
    model_class,
)
from histoscribe.models.catalog import list_models
from histoscribe.train.loss import training_loss
from histoscribe.train.settings import TrainSettings
from histoscribe.types import Labels
from tests import toys

N_GENES, N_FEATURES, TILE_PX = 5, 12, 32
MODELS = [name for name in list_models() if issubclass(model_class(name), ExpressionModel)]
LOSSES = ["model", "mse", "pcc", "mse-pcc", "nb", "zinb"]
PARTS = ("mse", "pcc", "nb")
"""Losses that are parts of others: with networks that read tiles, they are slow tests."""


def pairs():
    """Every network with every loss."""
    for name in (*MODELS, toys.SECTION, toys.BAG):
        tiles = name in MODELS and "image" in inputs_of(model_class(name))
        for loss in LOSSES:
            marks = [pytest.mark.slow] if tiles and loss in PARTS else []
            yield pytest.param(name, loss, marks=marks)


@pytest.fixture(scope="module", autouse=True)
def _toys():
    with toys.registered():
        yield


def fresh(name, counts=None):
    """A new network of this family of counts."""
    facts = Facts.plain(N_GENES, N_FEATURES, TILE_PX)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        mean = np.linspace(0.0, 40.0, N_GENES)
        return create_model(
            name, facts=replace(facts, target_mean=mean, counts=counts), preset="tiny"
        )


@cache
def network(name, counts=None):
    """The same network for many tests, which move its weights by very little."""
    return fresh(name, counts)


def inputs(model):
    """Random inputs of three items; of those with context, 7, 4 and 1 spots."""
    draw = torch.Generator().manual_seed(0)
    known = {
        "image": torch.randint(0, 256, (3, 3, TILE_PX, TILE_PX), generator=draw).to(torch.uint8),
        "feature": torch.randn(3, N_FEATURES, generator=draw),
        "exemplar_feature": torch.randn(3, 3, N_FEATURES, generator=draw),
        "exemplar_target": 4 * torch.rand(3, 3, N_GENES, generator=draw),
        "context_feature": torch.randn(3, 7, N_FEATURES, generator=draw),
        "context_um": 100.0
        * torch.tensor([[0, 0], [1, 0], [3, 0], [0, 1], [2, 1], [2, 2], [1, 3]])
        .expand(3, 7, 2)
        .clone(),
        "context_slide": torch.zeros(3, 7, dtype=torch.int64),
        "present": torch.arange(7)[None] < torch.tensor([7, 4, 1])[:, None],
    }
    return {name: known[name] for name in model.inputs(model.config)}


def labels_of(expression):
    """Counts of spots with about 5,000 counts, and their target per 10,000."""
    draw = torch.Generator().manual_seed(1)
    counts = torch.poisson(3 * torch.rand(expression.shape, generator=draw), generator=draw)
    factor = 0.4 + 0.2 * torch.rand(expression.shape[:-1], generator=draw)
    present = None
    if expression.ndim == 3:
        present = torch.arange(7)[None] < torch.tensor([7, 4, 1])[:, None]
    return Labels(
        target=counts / factor[..., None], present=present, counts=counts, size_factor=factor
    )


def of_spots(values, given):
    """Values without padding."""
    return values[given["present"]] if values.ndim == 3 else values


@pytest.mark.parametrize(("name", "loss"), list(pairs()))
def test_one_step_lowers_any_loss_of_any_network(name, loss):
    settings = TrainSettings(loss=loss)
    model = network(name, settings.counts)
    given = inputs(model)
    model.eval()  # without dropout, so that the step can be judged by the same loss
    model.zero_grad(set_to_none=True)
    output = model(**given)
    labels = labels_of(output.expression)
    before = training_loss(model, settings, output.float(), labels)
    before.backward()
    gradients = {key: of.grad for key, of in model.named_parameters() if of.grad is not None}
    assert all(gradient.isfinite().all() for gradient in gradients.values())
    assert any(gradient.abs().sum() > 0 for gradient in gradients.values())
    if settings.counts is not None:
        assert output.counts is not None
        torch.testing.assert_close(output.expression, output.counts.mean)
        assert (output.counts.zero_inflation is None) == (loss == "nb")
        assert (of_spots(output.expression, given) > 0).all()
    norm = torch.sqrt(sum(gradient.square().sum() for gradient in gradients.values()))
    with torch.no_grad():
        for key, of in model.named_parameters():
            if key in gradients:
                of -= 1e-3 / norm * gradients[key]
        after = training_loss(model, settings, model(**given).float(), labels)
    assert after < before


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", ["mlp", "vit", toys.SECTION, toys.BAG])
def test_losses_and_gradients_are_finite_in_mixed_precision(name, loss):
    settings = TrainSettings(loss=loss)
    model = network(name, settings.counts).eval()
    model.zero_grad(set_to_none=True)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(**inputs(model)).float()
        lost = training_loss(model, settings, output, labels_of(output.expression))
    lost.backward()
    assert lost.dtype == torch.float32
    assert lost.isfinite()
    gradients = [of.grad for of in model.parameters() if of.grad is not None]
    assert gradients
    assert all(gradient.isfinite().all() for gradient in gradients)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_counts_starts_at_the_training_mean(name):
    values, counts = fresh(name), fresh(name, "nb")
    given = inputs(values)
    with torch.no_grad():
        plain = of_spots(values.eval()(**given).expression, given)
        rate = of_spots(counts.eval()(**given).counts.rate, given)
    # the same weights: where the output of the one lies below zero, the rate of the other is small
    assert (rate > 0).all()
    high = plain > 20
    torch.testing.assert_close(rate[high], plain[high], rtol=1e-3, atol=1e-3)
