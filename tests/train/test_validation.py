"""The score of validation items: spots within sections, bags over patients."""

import numpy as np
import pytest
import torch

from histoscribe.data.items.bags import BagItems
from histoscribe.data.items.sections import SectionItems
from histoscribe.data.items.spots import SpotItems
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.models.inner_validation import validation_score
from histoscribe.train.validation import score_kind, validate
from histoscribe.types import Output
from tests.contracts.tables import planted_table


class Echo(ExpressionModel):
    """Says the first features as genes; of a bag, their mean."""

    def __init__(self, config):
        facts = Facts(feature_mean=np.zeros(1), feature_scale=np.ones(1), target_mean=np.zeros(1))
        super().__init__(facts, config)
        self.weight = torch.nn.Parameter(torch.ones(()))

    def forward(self, context_feature):
        first = self.weight * context_feature[..., :5]
        return Output(first.mean(dim=1) if self.config == "bag" else first)

    def represent(self, context_feature):
        return context_feature

    @classmethod
    def inputs(cls, config):
        return ("context_feature",)


def bags(n_bags):
    return BagItems(planted_table(), tuple(np.split(np.arange(240), n_bags)))


def test_spots_of_sections_are_scored_within_their_section():
    table = planted_table()
    runs = tuple(rows for _, _, rows in table.keys.by_section())
    found = validate(Echo("section"), SectionItems(table, runs[2:]), np.arange(2))
    rows = np.concatenate(runs[2:])
    expected = validation_score(
        table.feature[rows, :5], table.target[rows], table.keys.section[rows]
    )
    assert found == pytest.approx(expected)


def test_eight_bags_are_scored_by_correlation_and_fewer_by_squared_error():
    eight, four = bags(8), bags(4)
    assert score_kind(eight, np.arange(8)) == "pcc"
    assert score_kind(eight, np.arange(7)) == "minus_mse"
    predicted = np.stack([eight.table.feature[run, :5].mean(axis=0) for run in eight.runs])
    measured = eight.labels(np.arange(8)).target.numpy()
    r = [np.corrcoef(predicted[:, g], measured[:, g])[0, 1] for g in range(5)]
    assert validate(Echo("bag"), eight, np.arange(8)) == pytest.approx(np.mean(r), abs=1e-5)
    predicted = np.stack([four.table.feature[run, :5].mean(axis=0) for run in four.runs])
    measured = four.labels(np.arange(4)).target.numpy()
    expected = -np.square(predicted - measured).mean()
    assert validate(Echo("bag"), four, np.arange(4)) == pytest.approx(expected, rel=1e-5)


def test_a_single_bag_is_scored_by_its_squared_error():
    one = bags(1)
    error = one.table.feature[:, :5].mean(axis=0) - one.labels(np.arange(1)).target[0].numpy()
    found = validate(Echo("bag"), one, np.arange(1))
    assert found == pytest.approx(-np.square(error).mean(), rel=1e-5)


def test_spots_are_always_scored_by_correlation():
    assert score_kind(SpotItems(planted_table()), np.arange(3)) == "pcc"
