import numpy as np
import pytest

from histoscribe.metrics.chance import (
    ChanceCount,
    above_band,
    above_chance,
    least_q,
    p_values,
    q_values,
    spread_of_noise,
)
from histoscribe.metrics.moments import partial_pearson_per_gene


def unlike_genes(n_genes, n_runs, seed=0):
    """Shuffled scores of genes with different means and spreads."""
    rng = np.random.default_rng(seed)
    mean, spread = rng.normal(0, 0.05, (n_genes, 1)), rng.uniform(0.01, 0.2, (n_genes, 1))
    return mean, spread, mean + spread * rng.standard_normal((n_genes, n_runs))


def test_a_gene_is_compared_with_the_runs_of_all_genes_in_units_of_its_own():
    null = np.array([[0.0, 1.0, 2.0, 3.0], [10.0, 40.0, 20.0, 30.0]])
    score = np.array([3.5, 10.0])
    standard = [
        (of - np.mean(runs)) / (np.std(runs, ddof=1) * np.sqrt(1 + 1 / len(runs)))
        for of, runs in [
            *zip(score, null, strict=True),
            *((gene[i], np.delete(gene, i)) for gene in null for i in range(4)),
        ]
    ]
    tested, pooled = np.array(standard[:2]), np.array(standard[2:])
    expected = [(1 + (pooled >= of).sum()) / 9 for of in tested]
    np.testing.assert_allclose(p_values(score, null, np.zeros(len(null))), expected)


def test_genes_without_a_link_have_every_p_equally_often():
    mean, spread, null = unlike_genes(4000, 20)
    score = (mean + spread * np.random.default_rng(1).standard_normal(mean.shape))[:, 0]
    p = p_values(score, null, np.zeros(len(null)))
    for level in (0.5, 0.05, 0.01, 0.001):
        margin = 4 * np.sqrt(level / len(p))
        assert abs((p < level).mean() - level) < margin


def test_one_gene_among_a_thousand_can_be_above_chance():
    mean, spread, null = unlike_genes(1000, 100)
    score = mean[:, 0].copy()
    score[7] += 10 * spread[7, 0]
    q = q_values(score, null, np.zeros(len(null)))
    assert np.flatnonzero(q < 0.05).tolist() == [7]
    assert least_q(100) <= q[7] < 0.011


def test_few_genes_far_above_their_runs_are_found_and_do_not_need_many_others():
    # the rule this replaced gave all of them the same q, above 0.05 for fewer than 69 of 345
    mean, spread, null = unlike_genes(345, 100)
    score = mean[:, 0] + np.where(np.arange(345) < 40, 8, 0) * spread[:, 0]
    assert (q_values(score, null, np.zeros(len(null))) < 0.05).sum() == 40


@pytest.mark.parametrize(("shift", "scale"), [(0.3, 1.0), (0.0, 7.0)])
def test_the_unit_and_origin_of_a_gene_change_nothing(shift, scale):
    mean, spread, null = unlike_genes(50, 30)
    score = (mean + 2 * spread)[:, 0]
    moved, moved_null = score.copy(), null.copy()
    moved[3], moved_null[3] = shift + scale * score[3], shift + scale * null[3]
    np.testing.assert_array_equal(
        p_values(moved, moved_null, np.zeros(len(moved_null))),
        p_values(score, null, np.zeros(len(null))),
    )


def test_a_higher_score_has_no_larger_q():
    mean, spread, null = unlike_genes(60, 30)
    score = mean[:, 0] + np.linspace(-2, 6, 60) * spread[:, 0]
    q = q_values(score, null, np.zeros(len(null)))
    standard = (score - null.mean(axis=1)) / null.std(axis=1)
    assert (np.diff(q[np.argsort(standard)]) <= 0).all()


def test_a_gene_without_score_or_runs_has_no_q_and_counts_nowhere():
    _, _, null = unlike_genes(6, 20)
    null[1], null[2, 4], null[3] = np.nan, np.nan, 0.25
    score = np.array([np.nan, 9.0, 9.0, 9.0, 9.0, -9.0])
    q = q_values(score, null, np.zeros(len(null)))
    assert np.isnan(q[:4]).all()
    assert np.isfinite(q[4:]).all()
    alone = q_values(score[[4, 5]], null[[4, 5]], np.zeros(2))
    assert q[4] <= alone[0]  # the runs of a gene without a score still say what chance gives
    assert np.isnan(q_values(score[:2], null[[1, 1]], np.zeros(2))).all()


def test_a_gene_is_above_chance_only_above_its_band():
    score, high = np.array([0.3, 0.3, 0.1, np.nan]), np.array([0.2, 0.2, 0.2, 0.2])
    q = np.array([0.01, 0.2, 0.01, np.nan])
    assert above_band(score, high).tolist() == [True, True, False, False]
    assert above_chance(score, high, q).tolist() == [True, False, False, False]
    count = ChanceCount.of(score, high, q)
    assert (count.n_genes, count.n_above_band, count.n_above_chance) == (3, 2, 1)
    words = count.words(100)
    assert "2 of 3 genes lie above their own band" in words
    assert "1 of them have q < 0.05" in words
    assert "no q below 0.0099" in words


def test_a_gene_far_from_the_maps_of_ridge_has_the_spread_of_noise():
    rng = np.random.default_rng(2)
    # by chance, each gene lies nearer or farther from these maps than another model's
    spread = rng.uniform(0.2, 1.8, (3000, 1)) * 0.1
    null = spread * rng.standard_normal((3000, 50))
    score = 0.1 * rng.standard_normal(3000)
    least = np.full(3000, 0.1)
    for level in (0.05, 0.01):
        kept = (p_values(score, null, least) < level).mean()
        lost = (p_values(score, null, 0 * least) < level).mean()
        assert kept < level < 1.5 * level < lost


def test_the_spread_of_noise_is_that_of_partial_correlations():
    rng = np.random.default_rng(3)
    depth, gene = rng.standard_normal((2, 25))
    maps = rng.standard_normal((25, 4000))
    given_depth = partial_pearson_per_gene(maps, np.tile(gene[:, None], 4000), depth)
    assert spread_of_noise(np.array(25.0)) == pytest.approx(given_depth.std(), rel=0.05)
    assert spread_of_noise(np.array(3.0)) == np.inf
