"""Promises that every metric keeps, run over the registry."""

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.registry import (
    METRICS,
    BagMetric,
    FoldMetric,
    GeneMetric,
    SectionMetric,
    metric,
)

PER_SECTION = [m for m in METRICS.values() if isinstance(m, GeneMetric | SectionMetric)]
PER_GENE = [m for m in METRICS.values() if isinstance(m, GeneMetric)]
NAMES = [
    *("pcc", "pcc_given_depth", "pcc_pooled", "pcc_spot", "scc"),
    *("mse", "mae", "rmse", "nrmse", "ccc", "rvd", "ssim", "js", "nmi"),
    *(
        "auc@0",
        "auc@1",
        "auc@2",
        "auc@5",
        "auc@7",
        "auc@10",
        "auc@20",
        "moran_r",
        "pcc_over_patients",
        "mape",
    ),
]


def evaluated(*, noise=1.0, constant=False, seed=0):
    rng = np.random.default_rng(seed)
    n_spots = 120
    wave = np.cos(np.arange(n_spots)[:, None] * np.linspace(0.1, 2, 9))
    counts = rng.poisson(9 + 9 * wave).astype(np.float64)
    counts[:, 0] = 0.0  # constant in the truth
    counts[:, 1] = np.nan  # not measured
    predicted = np.nan_to_num(np.log1p(counts)) + noise * rng.normal(size=counts.shape)
    if constant:
        predicted = np.full_like(predicted, 0.1)
    ones = np.ones(n_spots - 1)
    return Evaluated(
        predicted.astype(np.float32),
        np.log1p(counts).astype(np.float32),
        rng.normal(size=n_spots) + 8,
        counts=counts.astype(np.float32),
        graph=sp.csr_matrix(sp.diags([ones, ones], [-1, 1])),
    )


def test_the_registry_holds_the_identifiers_of_the_protocol():
    assert list(METRICS) == NAMES
    assert all(name == entry.id and entry.undefined for name, entry in METRICS.items())


@pytest.mark.parametrize("entry", PER_SECTION, ids=lambda m: m.id)
def test_it_says_where_it_is_undefined(entry):
    found = np.atleast_1d(entry.of(evaluated()))
    if isinstance(entry, SectionMetric):
        assert np.isfinite(found).all()
        return
    assert found.shape == (9,)
    assert np.isnan(found[1])
    assert np.isnan(found[0]) or entry.id in ("mse", "mae", "rmse")
    assert np.isfinite(found[2:]).all()


@pytest.mark.parametrize("entry", PER_SECTION, ids=lambda m: m.id)
def test_less_noise_is_better(entry):
    close, far = (np.nanmean(entry.of(evaluated(noise=noise))) for noise in (0.05, 2.0))
    if entry.id != "rvd":
        assert (close > far) == entry.higher_is_better


@pytest.mark.parametrize("entry", PER_GENE, ids=lambda m: m.id)
def test_a_constant_prediction_is_defined_and_wins_nothing(entry):
    found = entry.of(evaluated(constant=True))[2:]
    assert np.isfinite(found).all()
    if "0 for a constant prediction" in entry.undefined:
        assert (found == 0).all()


@pytest.mark.parametrize("entry", PER_SECTION, ids=lambda m: m.id)
def test_the_order_of_spots_does_not_matter(entry):
    plain = evaluated()
    order = np.random.default_rng(1).permutation(len(plain.predicted))
    mixed = Evaluated(
        plain.predicted[order],
        plain.measured[order],
        plain.log_total[order],
        counts=plain.counts[order],
        graph=sp.csr_matrix(plain.graph[order][:, order]),
    )
    np.testing.assert_allclose(entry.of(mixed), entry.of(plain), atol=1e-5)


def test_constant_predictions_are_counted_where_the_truth_varies():
    assert evaluated(constant=True).n_constant_predictions == 7
    assert evaluated().n_constant_predictions == 0


def test_pooled_metrics_run():
    for entry in METRICS.values():
        if isinstance(entry, FoldMetric):
            assert np.isfinite(entry.of([evaluated(), evaluated(seed=1)])[2:]).all()


@pytest.mark.parametrize("entry", [m for m in METRICS.values() if isinstance(m, BagMetric)])
def test_a_perfect_prediction_of_bags_has_the_best_score(entry):
    measured = np.random.default_rng(0).uniform(1.0, 2.0, (4, 2))
    best = 1.0 if entry.higher_is_better else 0.0
    np.testing.assert_allclose(entry.of(measured, measured), best, atol=1e-9)


def test_an_unknown_metric_names_the_near_ones():
    with pytest.raises(ValueError, match="pcc_given_depth"):
        metric("pcc_given_dept")
