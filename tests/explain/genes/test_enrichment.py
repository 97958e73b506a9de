"""Scores of gene sets against random sets: planted sets are found, and chance stays chance."""

import numpy as np
import pytest
from scipy.stats import kstest

from histoscribe.explain.expression_bins import expression_bins, mean_expression
from histoscribe.explain.genes import enrichment as module
from histoscribe.explain.genes.enrichment import enrichment
from tests.data.fakes_for_data import fake_section

N_GENES, N_SETS, SIZE = 400, 200, 25


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(module, "N_DRAWS", 1999)


def random_sets(rng, n_sets=N_SETS, weight=None):
    """Sets of `SIZE` genes; a gene with more weight is a member more often."""
    share = None if weight is None else weight / weight.sum()
    members = np.zeros((n_sets, N_GENES), dtype=bool)
    for row in members:
        row[rng.choice(N_GENES, SIZE, replace=False, p=share)] = True
    return members


def test_planted_sets_are_found_among_many():
    rng = np.random.default_rng(0)
    members = random_sets(rng, 50)
    score = rng.normal(0.1, 0.1, N_GENES)
    score[members[7]] += 0.12
    tested = enrichment(score, rng.lognormal(size=N_GENES), members, 0)
    assert tested.q[7] < 0.05
    assert tested.p[7] == pytest.approx(1 / 2000), "the set itself is counted"
    assert tested.n_enriched() <= 2
    assert tested.n_enriched_by_chance().mean() < 0.3


def test_without_an_effect_p_is_uniform():
    rng = np.random.default_rng(1)
    tested = enrichment(rng.normal(size=N_GENES), rng.lognormal(size=N_GENES), random_sets(rng), 0)
    assert kstest(tested.p, "uniform").pvalue > 0.05
    assert tested.n_enriched() == 0


def test_matching_keeps_the_rate_of_false_sets_where_scores_follow_expression():
    rng = np.random.default_rng(2)
    rank = rng.permutation(N_GENES) / N_GENES
    expression = np.exp(4 * rank)
    score = rank + rng.normal(0, 0.1, N_GENES)
    members = random_sets(rng, weight=np.exp(2 * rank))  # sets prefer genes of high expression
    matched = enrichment(score, expression, members, 0)
    unmatched = enrichment(score, rng.permutation(expression), members, 0)
    assert (matched.p < 0.05).mean() < 0.09
    assert matched.n_enriched() == 0
    assert (unmatched.p < 0.05).mean() > 0.8


def test_random_sets_have_the_expression_of_the_set():
    rng = np.random.default_rng(3)
    expression = rng.lognormal(size=N_GENES)
    bins = expression_bins(expression)
    assert [len(genes) for genes in bins] == 20 * [20]
    level = np.empty(N_GENES)
    for number, genes in enumerate(bins):
        level[genes] = number
    tested = enrichment(level, expression, random_sets(rng, 5), 0)
    np.testing.assert_allclose(tested.drawn, np.tile(tested.mean, (1999, 1)))
    np.testing.assert_array_equal(tested.p, 1)


def test_ties_and_whole_panels_are_no_finding():
    rng = np.random.default_rng(4)
    members = np.vstack([random_sets(rng, 3), np.ones((1, N_GENES), dtype=bool)])
    constant = enrichment(np.full(N_GENES, 0.1), rng.lognormal(size=N_GENES), members, 0)
    np.testing.assert_array_equal(constant.p, 1)
    assert constant.n_enriched_by_chance().max() == 0
    varied = enrichment(rng.normal(size=N_GENES), rng.lognormal(size=N_GENES), members, 0)
    assert varied.p[3] == 1


def test_another_list_of_sets_changes_no_draw():
    rng = np.random.default_rng(5)
    score, expression, members = (
        *(rng.normal(size=N_GENES), rng.lognormal(size=N_GENES)),
        random_sets(rng, 6),
    )
    all_, some = (enrichment(score, expression, of, 0) for of in (members, members[2:4]))
    np.testing.assert_allclose(some.drawn, all_.drawn[:, 2:4], atol=1e-12)
    np.testing.assert_array_equal(some.p, all_.p[2:4])


def test_mean_expression_weighs_sections_alike_and_knows_what_was_not_measured():
    few = fake_section("s1", "a", [[1, 3, 0]], genes=("A", "B", "C"))
    many = fake_section("s2", "b", [[300, 700]], genes=("A", "B"))
    expression = mean_expression([few, many], ("A", "B", "C", "D"))
    np.testing.assert_allclose(expression, [2750, 7250, 0, np.nan])
