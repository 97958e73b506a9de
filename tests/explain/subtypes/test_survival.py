"""Kaplan-Meier curves and the log-rank test."""

import numpy as np
import pytest
from scipy.stats import CensoredData, logrank

from histoscribe.explain.subtypes.survival import LEAST_DEATHS, log_rank_p, survival_by_class


def test_a_curve_by_hand():
    rows = np.array([[2.0, 1], [3, 0], [3, 1], [5, 1], [8, 0], [np.nan, 1]])
    survival = survival_by_class(rows, ["a"] * 6)
    (curve,) = survival.curves
    assert curve.days.tolist() == [0, 2, 3, 5, 8]
    assert curve.alive == pytest.approx([1, 0.8, 0.8 * 0.75, 0.8 * 0.75 * 0.5, 0.3])
    assert curve.censored.tolist() == [False, False, True, False, True]
    assert (curve.n_patients, curve.n_deaths) == (5, 3)
    assert survival.times.tolist() == [0, 2, 4, 6, 8]
    assert curve.at_risk == (5, 5, 2, 1, 1)
    assert np.isnan(survival.p)


def test_the_test_of_two_groups_is_that_of_scipy():
    rng = np.random.default_rng(0)
    days, dead = rng.exponential(100, 80).round() + 1, rng.random(80) < 0.6
    group = np.arange(80) % 2
    first, second = (
        CensoredData(uncensored=days[(group == g) & dead], right=days[(group == g) & ~dead])
        for g in (0, 1)
    )
    assert log_rank_p(days, dead, group) == pytest.approx(logrank(first, second).pvalue)


def test_equal_groups_give_small_p_as_often_as_they_should():
    rng = np.random.default_rng(1)
    group = np.arange(90) % 3
    p = [log_rank_p(rng.exponential(100, 90), rng.random(90) < 0.7, group) for _ in range(100)]
    assert np.mean(np.array(p) < 0.05) < 0.12


def test_few_deaths_are_not_tested():
    n = 2 * LEAST_DEATHS
    days, classes = np.arange(1.0, n + 1), ["a", "b"] * LEAST_DEATHS
    dead = (np.arange(n) < LEAST_DEATHS).astype(float)
    assert np.isfinite(survival_by_class(np.column_stack([days, dead]), classes).p)
    dead[0] = 0
    assert np.isnan(survival_by_class(np.column_stack([days, dead]), classes).p)
    assert survival_by_class(np.full((n, 2), np.nan), classes) is None
