"""Losses read the patient and the site of what is trained; models never do."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.items.bags import BagItems
from histoscribe.data.items.kinds import ITEMS
from histoscribe.data.items.spots import SpotItems
from histoscribe.models import catalog
from histoscribe.models.base import ExpressionModel, Facts, register
from histoscribe.models.layers.head import GeneHead
from histoscribe.types import Output
from tests.contracts.fitting import fitted
from tests.contracts.tables import planted_table

SITES = {"A": "north", "B": "south", "D": "north"}
"""Of the patients of a planted table; that of C is not known."""
CODES = {"A": 0, "B": 1, "C": -1, "D": 0}


def codes_of(table, rows):
    return [CODES[str(name)] for name in table.keys.patient_names[rows]]


def test_every_kind_of_item_has_the_site_of_its_patient():
    table = replace(planted_table(), sites=SITES)
    rows = np.array([3, 70, 130, 200])
    assert SpotItems(table).labels(rows).site.tolist() == codes_of(table, rows)
    for kind in ("section", "bag"):
        made = ITEMS[kind]
        items = made(table, made.divide(table.keys, np.arange(len(table)), len(table)))
        assert items.labels(np.arange(4)).site.tolist() == [0, 1, -1, 0]
    without = planted_table()
    bags = BagItems(without, BagItems.divide(without.keys, np.arange(240), 240))
    assert SpotItems(without).labels(rows).site is None
    assert bags.labels(np.arange(4)).site is None


class SiteReader(ExpressionModel):
    """Its loss is larger where the site is known."""

    paper = "baseline"

    def __init__(self, facts: Facts, config) -> None:
        super().__init__(facts, config)
        self.head = GeneHead(len(facts.feature_mean), facts)

    def forward(self, feature: Float[Tensor, "B D"]) -> Output:
        return self.read(self.represent(feature))

    def represent(self, feature: Float[Tensor, "B D"]) -> Float[Tensor, "B D"]:
        return feature

    def loss(self, output, labels):
        known.append((labels.patient.tolist(), labels.site.tolist()))
        error = (output.expression - labels.target).square().mean(dim=1)
        return (error * torch.where(labels.site < 0, 1.0, 2.0)).mean()


known: list[tuple[list[int], list[int]]] = []
"""Patient and site of each batch that the loss was given."""


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(catalog, "_ADDED", dict(catalog._ADDED))
    known.clear()


def test_a_loss_is_given_patient_and_site_of_each_batch(registry, tmp_path):
    register("site-reader")(SiteReader)
    table = replace(planted_table(n_spots=80), sites=SITES)
    fitted("site-reader", tmp_path, table, epochs=1)
    pairs = {pair for patients, sites in known for pair in zip(patients, sites, strict=True)}
    assert pairs == set(list(enumerate(CODES.values()))[1:])  # A chooses the epoch


class Cheat(SiteReader):
    def forward(self, feature, site) -> Output:
        raise NotImplementedError


def test_a_model_that_reads_the_site_is_refused(registry):
    with pytest.raises(TypeError, match="names site: labels are for `loss`"):
        register("cheat")(Cheat)
