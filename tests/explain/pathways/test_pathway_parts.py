"""Parts of `pathways` with known answers."""

import numpy as np
from scipy.ndimage import gaussian_filter

from histoscribe.explain.pathways.border import N_BANDS, BorderBands
from histoscribe.explain.pathways.coactivity import (
    by_exchange,
    coactivity_of,
    pair_correlations,
    with_mean,
)
from histoscribe.explain.pathways.correlation import (
    by_smooth_maps,
    correlations,
    of_tiles,
    unit_maps,
)
from histoscribe.explain.pathways.gene_weights import WeightAgreement
from histoscribe.explain.pathways.halves import SetHalves
from histoscribe.explain.pathways.over_patients import mean_defined, means_of_patients
from histoscribe.explain.pathways.pool import random_members
from histoscribe.metrics.moments import partial_pearson_per_gene
from histoscribe.types import Pathways

RNG = np.random.default_rng(0)


def sets_of(*rows, n_genes):
    members = np.zeros((len(rows), n_genes), dtype=bool)
    for row, genes in enumerate(rows):
        members[row, list(genes)] = True
    return Pathways(tuple(f"S{row}" for row in range(len(rows))), members)


def test_half_of_each_set_is_kept_out_of_panel_and_sets():
    panel = [f"G{gene}" for gene in range(40)]
    halves = SetHalves.of(sets_of(range(20), range(12, 30), range(30, 33), n_genes=40), panel)
    measured, trained = halves.measured_sets(), halves.training_sets()
    assert set(measured) == {"S0", "S1"}  # three genes have no half of four
    for name, size in (("S0", 20), ("S1", 18)):
        assert abs(len(measured[name]) - size / 2) <= 2
        assert not set(measured[name]) & set(trained[name])
        assert not set(measured[name]) & set(halves.training_genes)
    assert set(panel[33:]) <= set(halves.training_genes)


def test_halves_do_not_depend_on_the_order_of_genes_and_sets():
    panel = [f"G{gene}" for gene in range(40)]
    one = SetHalves.of(sets_of(range(20), range(12, 30), n_genes=40), panel)
    order = RNG.permutation(40)
    sets = sets_of(range(20), range(12, 30), n_genes=40)
    turned = Pathways(sets.names[::-1], sets.members[::-1][:, order])
    other = SetHalves.of(turned, [panel[gene] for gene in order])
    assert set(one.training_genes) == set(other.training_genes)


def test_products_of_unit_maps_are_partial_correlations():
    one, other, depth = RNG.normal(size=(50, 3)), RNG.normal(size=(50, 3)), RNG.normal(size=50)
    one += depth[:, None]
    ours = correlations(unit_maps(one, depth), unit_maps(other, depth))
    np.testing.assert_allclose(ours, partial_pearson_per_gene(one, other, depth), atol=1e-12)


def test_a_constant_score_correlates_by_zero_and_a_constant_activity_is_undefined():
    flat, map_ = np.full((9, 1), 3.0), RNG.normal(size=(9, 1))
    assert correlations(unit_maps(flat), unit_maps(map_)) == [0.0]
    assert np.isnan(correlations(unit_maps(map_), unit_maps(flat))).all()


def test_above_3000_places_value_and_draws_are_of_the_same_averaged_maps():
    y, x = np.mgrid[:60, :60]
    um = 100.0 * np.stack([x.ravel(), y.ravel()], axis=1)
    maps = [
        np.stack([gaussian_filter(of, 3.0).ravel() for of in RNG.normal(size=(40, 60, 60))], axis=1)
        for _ in range(2)
    ]
    noisy = [of / of.std(axis=0) + RNG.normal(size=of.shape) for of in maps]
    one, other = (unit_maps(of_tiles(of, um)) for of in noisy)
    value, drawn = correlations(one, other), by_smooth_maps(one, other, um, seed=0)
    assert 0.7 < value.std() / drawn.std() < 1.4
    low, high = np.percentile(drawn, [2.5, 97.5], axis=0)
    assert ((value < low) | (value > high)).sum() <= 6  # of 40, at 5 %; more come in 1 of 70 cases
    raw = correlations(*(unit_maps(of) for of in noisy))
    assert raw.std() < 0.8 * value.std()
    some = np.arange(900)
    assert np.array_equal(of_tiles(noisy[0][some], um[some]), noisy[0][some])
    flat = np.concatenate([one[:, :2], np.zeros((len(um), 1))], axis=1)
    assert np.isnan(by_smooth_maps(one[:, :3], flat, um, seed=0)[:, 2]).all()
    assert (by_smooth_maps(flat, one[:, :3], um, seed=0)[:, 2] == 0).all()


def test_shared_genes_do_not_make_two_sets_alike():
    z_scores, depth = RNG.normal(size=(400, 12)), RNG.normal(size=400)
    members = sets_of(range(8), range(4, 12), n_genes=12).members
    assert abs(coactivity_of(z_scores, members, depth)[0, 1]) < 0.15
    same = sets_of(range(4), range(4), n_genes=12).members
    assert np.isnan(coactivity_of(z_scores, same, depth)).all()


def test_attention_equal_to_coactivity_has_rank_correlation_one():
    likeness = RNG.normal(size=(6, 6))
    likeness = likeness + likeness.T
    np.fill_diagonal(likeness, np.nan)
    layers = np.nan_to_num(np.stack([likeness, -likeness]))
    value = pair_correlations(with_mean(layers)[1:], likeness)
    np.testing.assert_allclose(value, [1.0, -1.0])
    drawn = by_exchange(with_mean(layers)[1:], likeness)
    assert abs(drawn[:, 0].mean()) < 0.05
    assert np.isnan(pair_correlations(np.ones((1, 6, 6)), likeness)).all()
    assert np.isnan(pair_correlations(np.ones((1, 3, 3)), np.ones((3, 3)))).all()


def test_random_sets_keep_size_overlap_and_expression():
    members = sets_of(range(0, 20), range(10, 40), n_genes=80).members
    expression = np.arange(80.0)
    for of in random_members(members, expression):
        assert of.sum(axis=1).tolist() == [20, 30]
        assert (of[0] & of[1]).sum() == 10
        assert of[:, :20].sum() == members[:, :20].sum()


def test_weights_of_members_above_all_others_have_auroc_one():
    sets = sets_of(range(10), range(10, 30), n_genes=60)
    weights = np.stack([sets.members[0] * 1.0, np.zeros(60)], axis=1)
    found = WeightAgreement.of(weights, sets, np.arange(60.0), moved=False)
    assert found.value.tolist() == [1.0, 0.5]
    assert found.member_mean.tolist() == [1.0, 0.0]
    assert found.other_mean.tolist() == [0.0, 0.0]


def test_distance_is_that_of_the_formula_and_negative_inside():
    x = np.arange(20) * 100.0
    labels = ["tumour"] * 8 + [None] * 2 + ["stroma"] * 10
    bands = BorderBands.of(np.stack([x, 0 * x], axis=1), labels, "tumour", 100.0)
    expected = x - 850.0  # the border lies between the spots at 700 and 1000 um
    expected[8:10] = np.nan
    np.testing.assert_allclose(bands.distance_um, expected)
    assert (bands.band[8:10] == N_BANDS).all()
    assert bands.n_spots().sum() == 18
    values = np.where(np.arange(20) < 8, 1.0, -1.0)[:, None]
    means = bands.means(values)
    assert means[0] == [1.0]  # the open band deep inside has spots enough
    assert np.isnan(means[N_BANDS - 1])  # one spot is too few
    assert means[-1] == [-1.0]


def test_patients_count_alike_whatever_their_number_of_sections():
    values = [np.array([0.0, 1.0]), np.array([2.0, np.nan]), np.array([4.0, 3.0])]
    means = means_of_patients(values, ["A", "A", "B"])
    assert {name: of.tolist() for name, of in means.items()} == {"A": [1.0, 1.0], "B": [4.0, 3.0]}


def test_undefined_values_are_left_out_of_a_mean():
    assert mean_defined(np.array([1.0, np.nan, 3.0])) == 2.0
    assert np.isnan(mean_defined(np.array([np.nan])))
