"""After training, the spread of counts is that around the predictions of the kept epoch."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from histoscribe.data.items.kinds import training_sides
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import create_model
from histoscribe.models.facts import Facts
from histoscribe.train.count_spread import fit_spread
from tests import toys
from tests.contracts.tables import planted_table

THETA, ZEROS, RATE = 4.0, 0.25, 20.0


def counted(kind, rows_of_theta):
    """Counts around one rate, with another spread in these rows, as items of a kind."""
    table = planted_table(n_spots=960)
    rng = np.random.default_rng(0)
    total = np.exp(9 + 0.3 * rng.standard_normal(960))
    theta = np.where(np.isin(np.arange(960), rows_of_theta), THETA, 0.5)[:, None]
    mean = RATE * total[:, None] / 10_000
    counts = rng.negative_binomial(theta, theta / (theta + mean), (960, 5)).astype(np.float32)
    counts *= rng.random((960, 5)) >= ZEROS
    table = replace(table, counts=counts, log_total=np.log1p(total))
    return training_sides(kind, SpotItems(table), *table.inner[0])


@pytest.mark.parametrize("name", ["mlp", toys.SECTION])
def test_dispersion_and_zeros_are_those_of_the_validation_items(name):
    kind = "spot" if name == "mlp" else "section"
    val = planted_table(n_spots=960).inner[0][1]
    sides = counted(kind, val)
    facts = replace(
        Facts.plain(5, 12), target_mean=np.full(5, RATE * 0.95), counts="zinb"
    )  # 5 % additional zeros are what a plain start has
    with toys.registered(), torch.random.fork_rng(devices=[]):
        model = create_model(name, facts=facts, preset="tiny")
    layer = model.head if name == "mlp" else model.head.linear
    torch.nn.init.zeros_(layer.weight)  # every spot has the rate that the counts were drawn with
    before = model.state_dict()["head.bias" if name == "mlp" else "head.linear.bias"].clone()
    fit_spread(model, model.count_head, sides)
    theta = model.count_head.log_inverse_dispersion.exp()
    zeros = model.count_head.zero_inflation_logit.sigmoid()
    np.testing.assert_allclose(theta.detach(), THETA, rtol=0.35)
    assert theta.mean().item() == pytest.approx(THETA, rel=0.15)
    assert zeros.mean().item() == pytest.approx(ZEROS, abs=0.03)
    assert torch.equal(layer.bias, before)
