"""Exchanges of labels, and how well values tell them: known answers."""

import numpy as np
import pytest

from histoscribe.explain.memory.mixture import LossMixture
from histoscribe.explain.memory.separation import PermutedDraws, auroc, roc_curve
from histoscribe.explain.retraining.labels import (
    Exchange,
    permuted_in_sections,
    permuted_over_patients,
)
from histoscribe.types import SpotKeys, SpotTable
from tests.contracts.tables import planted_table


def keys_of(*sizes):
    patient = np.repeat([f"P{number}" for number in range(len(sizes))], sizes)
    spot = [str(row) for row in range(sum(sizes))]
    return SpotKeys.of_names([f"{name}S" for name in patient], patient, spot)


def test_a_share_of_the_fitted_rows_of_each_section_is_exchanged_and_none_keeps_its_label():
    keys = keys_of(50, 30, 20)
    rows = np.arange(80)  # the third section is not fitted
    exchange = permuted_in_sections(keys, rows, 0.2, seed=0)
    assert np.bincount(keys.section[exchange.permuted], minlength=3).tolist() == [10, 6, 0]
    assert sorted(exchange.origin) == list(range(100))
    assert (keys.section[exchange.origin] == keys.section).all()
    assert (exchange.permuted == (exchange.origin != np.arange(100))).all()


def test_a_removed_section_changes_no_other_draw():
    both, one = keys_of(50, 30), keys_of(50)
    drawn = permuted_in_sections(both, np.arange(80), 0.2, seed=1).origin[:50]
    alone = permuted_in_sections(one, np.arange(50), 0.2, seed=1).origin
    np.testing.assert_array_equal(drawn, alone)


def test_every_patient_gets_the_labels_of_one_other():
    keys = keys_of(10, 30, 20)
    exchange = permuted_over_patients(keys, seed=0)
    for patient in range(3):
        donors = set(keys.patient[exchange.origin[keys.patient == patient]])
        assert len(donors) == 1
        assert donors != {patient}
    with pytest.raises(ValueError, match="one patient"):
        permuted_over_patients(keys_of(10), seed=0)


def test_a_label_moves_as_a_whole_in_every_view():
    table = planted_table(n_spots=40)
    stacked = SpotTable(
        feature=np.concatenate([table.feature, table.feature + 1]),
        target=np.concatenate([table.target, table.target]),
        log_total=np.concatenate([table.log_total, table.log_total]),
        keys=SpotKeys.concatenate([table.keys, table.keys]),
        inner=(),
        encoder="planted",
        copies=2,
    )
    exchange = permuted_in_sections(table.keys, np.arange(40), 0.5, seed=0)
    moved = exchange.apply(stacked)
    for view in (slice(40), slice(40, 80)):
        np.testing.assert_array_equal(moved.target[view], table.target[exchange.origin])
        np.testing.assert_array_equal(moved.log_total[view], table.log_total[exchange.origin])
    np.testing.assert_array_equal(moved.feature, stacked.feature)


def test_two_groups_of_losses_are_found_and_one_stays_one():
    rng = np.random.default_rng(0)
    one = np.exp(rng.normal(0, 0.2, 400))
    assert LossMixture.of(one).n_components == 1
    assert not LossMixture.of(one).suspicious.any()
    two = np.concatenate([one, np.exp(rng.normal(1.5, 0.2, 100))])
    mixture = LossMixture.of(two)
    assert mixture.n_components == 2
    assert mixture.suspicious[400:].mean() > 0.95
    assert mixture.suspicious[:400].mean() < 0.05
    np.testing.assert_allclose(mixture.mean, [0, 1.5], atol=0.1)
    tail = LossMixture.of(1 / two)  # few losses are low: nothing stands out by high ones
    assert tail.n_components == 2
    assert not tail.suspicious.any()
    at = np.linspace(-3, 4, 2001)
    for of in (mixture, LossMixture.of(one)):
        np.testing.assert_allclose(np.trapezoid(of.density(at).sum(axis=0), at), 1, atol=1e-3)


def test_separation_counts_pairs_with_ties_half():
    value, permuted = np.array([1.0, 2.0, 2.0, 3.0]), np.array([False, True, False, True])
    assert auroc(value, permuted) == pytest.approx(3.5 / 4)
    of_true, of_permuted = roc_curve(value, permuted)
    assert np.trapezoid(of_permuted, of_true) == pytest.approx(3.5 / 4)
    assert np.isnan(auroc(value, np.ones(4, dtype=bool)))


def test_unrelated_values_separate_within_chance_and_related_ones_do_not():
    rng, keys, outside = np.random.default_rng(0), keys_of(60, 60), 0
    for seed in range(60):
        exchange = permuted_in_sections(keys, np.arange(120), 0.2, seed)
        draws = PermutedDraws.again(exchange.permuted, keys, 0.2, seed)
        found, chance = draws.separation(rng.normal(size=120)).number("auroc", "of noise")
        outside += not chance.low <= found.value <= chance.high
        related = draws.separation(rng.normal(size=120) + 2.0 * exchange.permuted)
        assert related.auroc > np.percentile(related.draws, 97.5)
    assert outside <= 8


def test_what_the_network_told_before_training_is_not_learned():
    keys = keys_of(60, 60)
    exchange = permuted_in_sections(keys, np.arange(120), 0.2, seed=0)
    draws = PermutedDraws.again(exchange.permuted, keys, 0.2, seed=0)
    value = np.random.default_rng(0).normal(size=120) + 2.0 * exchange.permuted
    found, chance = draws.separation(value, before=value).number("auroc", "of the start")
    assert chance.low == chance.high == found.value


def test_an_exchange_of_nothing_is_none():
    exchange = Exchange.of_origin(np.arange(5))
    assert not exchange.permuted.any()
