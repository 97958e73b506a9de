import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr

from histoscribe.metrics import moments as module
from histoscribe.metrics.moments import (
    ccc,
    mae,
    moments,
    mse,
    nrmse,
    partial_pearson_per_gene,
    pearson_per_gene,
    rmse,
    rvd,
)


@pytest.fixture
def pair():
    rng = np.random.default_rng(0)
    measured = rng.normal(size=(400, 7)) + rng.normal(size=7) * 5
    return 0.4 * measured + rng.normal(size=(400, 7)), measured, rng.normal(size=400) + 8


@pytest.mark.parametrize(("kind", "tolerance"), [(np.float32, 1e-5), (np.float64, 1e-12)])
def test_pcc_is_that_of_scipy_gene_by_gene(pair, kind, tolerance):
    x, y, _ = (values.astype(kind) for values in pair)
    expected = [pearsonr(x[:, gene], y[:, gene]).statistic for gene in range(7)]
    np.testing.assert_allclose(pearson_per_gene(x, y), expected, atol=tolerance)


def test_pcc_given_depth_is_the_correlation_of_residuals(pair):
    x, y, depth = pair
    x, y = x + 3 * depth[:, None], y - 2 * depth[:, None]
    line = np.stack([np.ones_like(depth), depth], axis=1)

    def residual(values):
        return values - line @ np.linalg.lstsq(line, values, rcond=None)[0]

    expected = [pearsonr(residual(x)[:, g], residual(y)[:, g]).statistic for g in range(7)]
    np.testing.assert_allclose(partial_pearson_per_gene(x, y, depth), expected, atol=1e-10)
    single = partial_pearson_per_gene(x.astype(np.float32), y.astype(np.float32), depth)
    np.testing.assert_allclose(single, expected, atol=1e-4)


def test_errors_are_those_of_the_formulas(pair):
    x, y, depth = pair
    m = moments(x, y, depth)
    np.testing.assert_allclose(mse(m), ((x - y) ** 2).mean(axis=0))
    np.testing.assert_allclose(rmse(m), np.sqrt(((x - y) ** 2).mean(axis=0)))
    np.testing.assert_allclose(mae(m), np.abs(x - y).mean(axis=0))
    np.testing.assert_allclose(nrmse(m), rmse(m) / np.ptp(y, axis=0))
    np.testing.assert_allclose(rvd(m), ((x.var(axis=0) - y.var(axis=0)) / y.var(axis=0)) ** 2)
    covariance = ((x - x.mean(axis=0)) * (y - y.mean(axis=0))).mean(axis=0)
    level = (x.mean(axis=0) - y.mean(axis=0)) ** 2
    expected = 2 * covariance / (x.var(axis=0) + y.var(axis=0) + level)
    np.testing.assert_allclose(ccc(m), expected)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("level", [0.0, 0.1, -1234.567])
def test_a_constant_gene_is_undefined_and_a_constant_prediction_scores_zero(pair, kind, level):
    x, y, depth = (values.astype(kind) for values in pair)
    x[:, [0, 1]] = level
    y[:, [1, 2]] = level
    for r in (pearson_per_gene(x, y), partial_pearson_per_gene(x, y, depth.astype(np.float64))):
        assert r[0] == 0
        assert np.isnan(r[[1, 2]]).all()
        assert np.isfinite(r[3:]).all()
    assert rvd(moments(x, y))[0] == pytest.approx(1, abs=1e-6)
    assert ccc(moments(x, y))[0] == 0


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_depth_explains_scores_zero_and_is_undefined_in_the_truth(pair, kind):
    x, y, depth = pair
    x[:, 0] = 0.3 * depth + 1  # the oracle: a straight line in the measured log total
    y[:, 1] = 2 * depth
    r = partial_pearson_per_gene(x.astype(kind), y.astype(kind), depth)
    assert r[0] == 0
    assert np.isnan(r[1])


def test_equal_depth_leaves_the_plain_correlation(pair):
    x, y, _ = pair
    given = partial_pearson_per_gene(x, y, np.full(400, 5.0))
    np.testing.assert_allclose(given, pearson_per_gene(x, y))


def test_a_gene_that_was_not_measured_is_undefined_whatever_is_predicted(pair):
    x, y, depth = pair
    y[:, 0] = np.nan
    y[:, 1] = np.nan
    x[:, 1] = 2.0
    m = moments(x, y, depth)
    for score in (module.pcc, module.pcc_given_depth, ccc, mse, mae, rmse, nrmse, rvd):
        assert np.isnan(score(m)[:2]).all()
        assert np.isfinite(score(m)[2:]).all()


def test_a_prediction_that_is_not_finite_is_refused(pair):
    x, y, _ = pair
    x[3, 2] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        moments(x, y)


def test_a_large_level_costs_no_digits(pair):
    x, y, _ = pair
    single = pearson_per_gene((x + 1000).astype(np.float32), (y - 1000).astype(np.float32))
    np.testing.assert_allclose(single, pearson_per_gene(x, y), atol=1e-3)
    np.testing.assert_allclose(pearson_per_gene(x + 1e6, y), pearson_per_gene(x, y), atol=1e-8)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.01, 100), st.floats(-100, 100))
def test_pcc_ignores_scale_level_and_order_of_spots(seed, scale, level):
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(2, 60, 3))
    order = rng.permutation(60)
    moved = pearson_per_gene((scale * x + level)[order], y[order])
    np.testing.assert_allclose(moved, pearson_per_gene(x, y), atol=1e-9)


def test_genes_do_not_depend_on_their_company(pair):
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(2, 150, 2 * module._GENES + 5)).astype(np.float32)
    some = [0, module._GENES, 2 * module._GENES + 4]
    alone = pearson_per_gene(x[:, some], y[:, some])
    np.testing.assert_allclose(pearson_per_gene(x, y)[some], alone, atol=1e-6)


def test_the_same_arrays_give_the_same_bits(pair):
    x, y, depth = pair
    first, second = (partial_pearson_per_gene(x, y, depth) for _ in range(2))
    assert np.array_equal(first, second)
