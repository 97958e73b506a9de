import numpy as np
import pytest
from scipy.stats import kstest

from histoscribe.metrics.calibration import ks_by_chance, ks_distance, randomised_pit
from histoscribe.metrics.negative_binomial import NegativeBinomial

N = 20_000


def draws(rng, zeros=0.3):
    counts = rng.negative_binomial(2.0, 2.0 / 7.0, N).astype(float)
    return counts * (rng.random(N) >= zeros)


def distance(mean, theta, zeros):
    rng = np.random.default_rng(1)
    of = NegativeBinomial(np.full(N, mean), np.full(N, theta), zeros)
    return ks_distance(randomised_pit(of, draws(rng), rng))


def test_the_distance_is_scipys():
    values = np.random.default_rng(0).random(500) ** 1.3
    assert ks_distance(values) == pytest.approx(kstest(values, "uniform").statistic)
    lacking = np.append(values, [np.nan, np.nan])
    assert ks_distance(lacking) == ks_distance(values)
    assert np.isnan(ks_distance(np.full(3, np.nan)))


def test_the_right_distribution_of_counts_is_even():
    assert distance(5.0, 2.0, 0.3) < ks_by_chance(N) < 0.02


def test_wrong_families_and_wrong_parameters_are_not_even():
    assert distance(3.5, 1e8, 0.0) > 0.2  # a Poisson distribution of the same mean
    assert distance(3.5, 0.8, 0.0) > 0.05  # without additional zeros
    assert distance(6.5, 2.0, 0.3) > 0.05


def test_five_in_a_hundred_right_samples_lie_above_what_chance_gives():
    rng = np.random.default_rng(0)
    above = [ks_distance(rng.random(283)) > ks_by_chance(283) for _ in range(2000)]
    assert np.mean(above) == pytest.approx(0.05, abs=0.015)
