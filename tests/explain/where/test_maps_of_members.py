"""Numbers of maps with known answers: agreement, difference of genes, thirds."""

import numpy as np
import pytest

from histoscribe.explain.where.agreement import agreement, agreement_numbers, gene_difference
from histoscribe.explain.where.maps import MemberMaps, stacked
from histoscribe.explain.where.members import random_ensembles
from histoscribe.explain.where.thirds import shares, third_shares
from tests.explain.planted import number

RNG = np.random.default_rng(0)
UM = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0)), -1).reshape(-1, 2) * 100
N_SPOTS, N_GENES = len(UM), 8


def unlike(*shape):
    return RNG.normal(size=(*shape, N_SPOTS))


def test_mean_and_disagreement_are_over_members():
    first, second = unlike(2, N_GENES)
    (maps,) = stacked([{"prediction": first}, {"prediction": second}])
    np.testing.assert_allclose(maps.mean, (first + second) / 2)
    np.testing.assert_allclose(maps.disagreement, np.abs(first - second) / np.sqrt(2))
    assert np.isnan(MemberMaps("prediction", first[None]).disagreement).all()


def test_equal_members_agree_fully_and_untrained_ones_by_chance():
    one = unlike(N_GENES)
    maps, nets = MemberMaps("attention", np.stack([one, one, one])), unlike(3, 12, N_GENES)
    found = agreement(maps, nets, random_ensembles(3, 12), UM)
    np.testing.assert_allclose(found.by_gene, 1)
    value, null = agreement_numbers("attention", found)
    assert value[0].value == pytest.approx(1)
    assert abs(null[0].value) < 0.05
    assert null[0].high < 0.2
    assert [item.name for item in null] == ["agreement_attention", "agreement_attention_surrogates"]


def test_no_network_meets_itself_in_an_ensemble():
    nets = random_ensembles(5, 10)
    assert nets.shape == (200, 5)
    assert all(len(set(row)) == 5 for row in nets.tolist())


def test_a_map_about_its_gene_is_told_from_one_map_for_all_genes():
    own, noise = unlike(N_GENES), 0.5 * unlike(2, N_GENES)
    value, null = gene_difference("prediction", MemberMaps("prediction", own + noise))
    assert number(value, "gene_difference_prediction") > 0.7
    assert number(value, "p_gene_difference_prediction") < 0.01
    assert null[0].high < 0.5
    shared = MemberMaps("attention", np.repeat(unlike(2, 1), N_GENES, axis=1))
    value, null = gene_difference("attention", shared)
    assert value[0].value == null[0].low == null[0].high == 0
    level = own[:1] + 0.3 * unlike(2, N_GENES)  # all genes follow one thing, as with density
    value, null = gene_difference("prediction", MemberMaps("prediction", level))
    assert null[0].low <= value[0].value <= null[0].high


def test_too_few_genes_leave_the_difference_undefined():
    maps = unlike(2, 6)
    maps[0, :2] = 1.0
    value, null = gene_difference("prediction", MemberMaps("prediction", maps))
    assert np.isnan(value[0].value)
    assert np.isnan(null[0].value)
    assert "4 genes, at least 5" in value[0].meaning


def test_shares_of_thirds_are_known():
    weight = np.r_[np.zeros(3), np.ones(3), np.full(3, 2.0)]
    upper, lower = shares(weight, np.stack([np.arange(9.0), -np.arange(9.0), np.zeros(9)]))
    np.testing.assert_allclose(upper, [2 / 3, 0, np.nan])
    np.testing.assert_allclose(lower, [0, 2 / 3, np.nan])


def test_attention_on_the_highest_prediction_is_outside_chance():
    prediction = np.sin(UM[:, 0] / 200)[None] + 0.1 * unlike(1)
    attention = np.exp(prediction)
    nets = [(np.exp(unlike(1)), unlike(1)) for _ in range(30)]
    upper, lower = third_shares(attention, prediction, UM, nets)
    value, null = upper.numbers
    assert value[0].value > null[0].high > 1 / 3
    assert lower.numbers[0][0].value < lower.numbers[1][0].low < 1 / 3
    assert [item.name for item in null] == [
        "upper_third",
        "upper_third_surrogates",
        "upper_third_random_weights",
    ]
