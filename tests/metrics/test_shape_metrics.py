import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import normalized_mutual_info_score

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.shape import N_BINS, js, nmi, ssim


def of(predicted, measured):
    return Evaluated(predicted, measured, np.zeros(len(predicted)))


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    measured = rng.gamma(2.0, size=(300, 3))
    return measured + rng.normal(size=(300, 3)), measured


def scaled(values):
    return (values - values.min(axis=0)) / np.ptp(values, axis=0)


def test_a_perfect_prediction_is_perfect_up_to_scale(pair):
    _, measured = pair
    perfect = of(3 * measured - 7, measured)
    np.testing.assert_allclose(ssim(perfect), 1)
    np.testing.assert_allclose(js(perfect), 0, atol=1e-12)
    np.testing.assert_allclose(nmi(perfect), 1)


def test_js_is_the_square_of_scipys_distance_in_bits(pair):
    x, y = map(scaled, pair)
    expected = [jensenshannon(x[:, g], y[:, g], base=2) ** 2 for g in range(3)]
    np.testing.assert_allclose(js(of(*pair)), expected)


def test_nmi_is_that_of_sklearn_on_the_same_bins(pair):
    x, y = (np.minimum(scaled(v) * N_BINS, N_BINS - 1).astype(int) for v in pair)
    expected = [normalized_mutual_info_score(y[:, g], x[:, g]) for g in range(3)]
    np.testing.assert_allclose(nmi(of(*pair)), expected)


def test_ssim_is_its_formula(pair):
    x, y = map(scaled, pair)
    for gene, found in enumerate(ssim(of(*pair))):
        a, b = x[:, gene], y[:, gene]
        covariance = np.cov(a, b, ddof=0)[0, 1]
        level = (2 * a.mean() * b.mean() + 1e-4) / (a.mean() ** 2 + b.mean() ** 2 + 1e-4)
        expected = level * (2 * covariance + 9e-4) / (a.var() + b.var() + 9e-4)
        assert found == pytest.approx(expected)


def test_undefined_in_the_truth_is_nan_and_a_constant_prediction_is_worst(pair):
    x, y = pair
    y[:, 0], y[:, 1], x[:, 2] = 5.0, np.nan, 0.1
    for score in (ssim, js, nmi):
        assert np.isnan(score(of(x, y))[:2]).all()
    assert ssim(of(x, y))[2] == nmi(of(x, y))[2] == 0
    assert js(of(x, y))[2] > 0
