"""Programmes: clusters of a planted likeness, and their overlap with sets: known answers."""

import numpy as np
import pytest
from scipy.stats import hypergeom
from sklearn.metrics import adjusted_rand_score

from histoscribe.explain.together.programmes import Programmes, SetOverlap

SIZES = (12, 8, 6, 4)


def planted(within=0.8, noise=0.1, seed=0):
    """Likeness of four groups of genes, in mixed order, and the group of each gene."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(len(SIZES)), SIZES))
    likeness = within * (group[:, None] == group) + noise * rng.normal(size=(30, 30))
    likeness = (likeness + likeness.T) / 2
    np.fill_diagonal(likeness, 1.0)
    return likeness, group


def test_planted_groups_are_the_clusters_the_largest_first():
    likeness, group = planted()
    programmes = Programmes.of(likeness)
    np.testing.assert_array_equal(programmes.of_gene, group)
    assert programmes.large == (0, 1, 2, 3)
    assert np.diff(programmes.of_gene[programmes.drawn_order]).min() == 0
    assert sorted(programmes.order) == list(range(30))
    assert Programmes.of(np.ones((9, 9))).of_gene.tolist() == 9 * [0]


def test_agreement_is_the_adjusted_rand_index():
    rng = np.random.default_rng(0)
    for _ in range(20):
        one, other = (
            Programmes(rng.integers(0, k, 30), np.arange(30), 0.0) for k in rng.integers(1, 6, 2)
        )
        known = adjusted_rand_score(one.of_gene, other.of_gene)
        both_whole = one.of_gene.max() == other.of_gene.max() == 0
        assert one.agreement(other) == pytest.approx(0.0 if both_whole else known)
    programmes = Programmes.of(planted()[0])
    draws = programmes.agreement_of_permuted(programmes)
    assert abs(draws.mean()) < 0.01
    assert programmes.agreement(programmes) == 1.0


def test_overlap_is_hypergeometric_and_permuted_genes_share_no_set():
    likeness, group = planted()
    programmes = Programmes.of(likeness)
    rng = np.random.default_rng(1)
    sets = np.stack([group == 0, group == 1, rng.permutation(group == 0)])
    overlap = SetOverlap.of(programmes, sets)
    assert overlap.shared[0, 0] == 12
    assert overlap.expected[0, 0] == pytest.approx(12 * 12 / 30)
    assert overlap.p[0, 0] == pytest.approx(hypergeom.sf(11, 30, 12, 12))
    assert (overlap.q >= overlap.p).all()
    assert overlap.n_sets == 2
    draws = SetOverlap.n_sets_of_permuted(programmes, sets)
    assert (draws > 0).mean() < 0.1
