"""Removing tiles finds a planted tile, and calls random maps right as often as chance allows."""

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from histoscribe.explain.where.deletion import TilePlaces, deletion_test, random_sets

SIDE = 12
UM = np.array([(100.0 * c + 50.0 * (r % 2), 86.6 * r) for r in range(SIDE) for c in range(SIDE)])
N = len(UM)
_DISTANCE = np.linalg.norm(UM[:, None] - UM, axis=2)


@pytest.fixture(scope="module")
def place():
    pairs = cKDTree(UM).query_pairs(150.0, output_type="ndarray")
    half = sp.coo_matrix((np.ones(len(pairs)), pairs.T), shape=(N, N))
    tissue = 0.3 + 0.7 * (UM[:, 0] > 500.0)  # the left half has less tissue
    return TilePlaces(sp.csr_matrix(half + half.T), tissue)


def smooth(seed, pitches=2.0):
    weight = np.exp(-((_DISTANCE / (100.0 * pitches)) ** 2) / 2)
    return weight @ np.random.default_rng(seed).standard_normal(N)


def mean_of(score):
    return lambda sets: np.array([score[tiles].mean() for tiles in sets])


def test_a_planted_region_is_found(place):
    score = np.where(np.linalg.norm(UM - UM[N // 2 + 5], axis=1) < 250.0, 3.0, 0.0)
    noise = np.random.default_rng(0).standard_normal(N)
    result = deletion_test(score + 0.1 * noise, mean_of(score), place, 0, is_weight=False)
    assert not result.is_failure
    assert result.p_deletion == result.p_sufficiency == 1 / 100
    assert result.without_top < result.whole < result.only_top
    assert result.verdict("GENE1").startswith("The map of GENE1 shows")


def test_a_weight_counts_whichever_way_its_tiles_move_the_prediction(place):
    score = np.where(np.linalg.norm(UM - UM[N // 2 + 5], axis=1) < 250.0, -3.0, 0.0)
    weight = -score + 0.01 * np.random.default_rng(0).standard_normal(N)
    by_size = deletion_test(weight, mean_of(score), place, 0, is_weight=True)
    assert by_size.p_deletion == 1 / 100
    assert by_size.deletion == abs(by_size.whole - by_size.without_top)
    # as a map of what raises the prediction, it is the worst of all
    assert deletion_test(weight, mean_of(score), place, 0, is_weight=False).p_deletion == 1.0


def test_a_map_that_failed_says_so_first(place):
    flat = deletion_test(smooth(1), mean_of(np.ones(N)), place, 0, is_weight=False)
    assert flat.is_failure
    assert flat.verdict("GENE1").startswith("FAILED: the map of GENE1")


@pytest.mark.parametrize(
    "is_weight", [pytest.param(True, marks=pytest.mark.slow), False], ids=["weight", "value"]
)
def test_maps_without_relation_pass_as_seldom_as_chance_allows(place, is_weight):
    passed = [
        not deletion_test(
            smooth(2 * seed), mean_of(smooth(2 * seed + 1)), place, seed, is_weight=is_weight
        ).is_failure
        for seed in range(15)
    ]
    assert sum(passed) <= 3  # 15 at 5 %: more than 3 has a chance of 0.5 %


def test_random_sets_have_the_groups_and_the_tissue_of_the_set(place):
    top = (np.linalg.norm(UM - UM[15], axis=1) < 160.0) | (_DISTANCE[130] < 1.0)
    assert place.tissue[top].mean() < 0.5
    sets = random_sets(top, place, 30, seed=3)
    assert (sets.sum(axis=1) == top.sum()).all()
    for tiles in sets:
        rows = np.flatnonzero(tiles)
        n_groups, label = connected_components(place.graph[rows][:, rows])
        assert n_groups <= 2  # two groups may touch
        assert n_groups == 1 or sorted(np.bincount(label)) == [1, top.sum() - 1]
    tissue = (sets @ place.tissue) / top.sum()
    assert abs(tissue.mean() - place.tissue[top].mean()) < 0.1
    assert len(np.unique(sets, axis=0)) > 20


def test_the_same_seed_draws_the_same_sets(place):
    top = smooth(0) > 2.0
    np.testing.assert_array_equal(
        random_sets(top, place, 3, seed=1), random_sets(top, place, 5, seed=1)[:3]
    )


def test_undefined_values_are_refused(place):
    values = smooth(0)
    values[3] = np.nan
    with pytest.raises(ValueError, match="undefined"):
        deletion_test(values, mean_of(values), place, 0, is_weight=False)
