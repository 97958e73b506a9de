import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import roc_auc_score

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.ranks import auc, scc


@pytest.fixture
def evaluated():
    rng = np.random.default_rng(0)
    counts = rng.poisson([0.5, 3.0, 9.0, 0.0], size=(200, 4)).astype(np.float64)
    predicted = np.round(counts + rng.normal(size=(200, 4)) * 2)  # with ties
    return Evaluated(predicted, np.log1p(counts), np.zeros(200), counts=counts)


def test_scc_is_that_of_scipy_with_ties(evaluated):
    expected = [
        spearmanr(evaluated.predicted[:, g], evaluated.measured[:, g]).statistic for g in range(3)
    ]
    found = scc(evaluated)
    np.testing.assert_allclose(found[:3], expected)
    assert np.isnan(found[3])


def test_scc_ignores_a_rising_transform(evaluated):
    bent = Evaluated(np.exp(evaluated.predicted / 5), evaluated.measured, evaluated.log_total)
    np.testing.assert_allclose(scc(bent), scc(evaluated))


def test_a_prediction_constant_within_rounding_has_no_ranks(evaluated):
    jitter = np.float32(0.1) + np.tile(np.float32([0, 7e-9]), 100)[:, None] * np.ones(4)
    flat = Evaluated(jitter.astype(np.float32), evaluated.measured, evaluated.log_total)
    assert (scc(flat)[:3] == 0).all()


@pytest.mark.parametrize("count", [0, 2, 5])
def test_auc_is_that_of_sklearn_and_undefined_without_both_sides(evaluated, count):
    found = auc(evaluated, count)
    for gene in range(4):
        above = evaluated.counts[:, gene] > count
        if above.all() or not above.any():
            assert np.isnan(found[gene])
        else:
            expected = roc_auc_score(above, evaluated.predicted[:, gene])
            assert found[gene] == pytest.approx(expected)


def test_auc_of_a_constant_is_one_half(evaluated):
    flat = Evaluated(
        np.ones((200, 4)), evaluated.measured, evaluated.log_total, counts=evaluated.counts
    )
    assert auc(flat, 2)[1] == 0.5


def test_auc_needs_counts(evaluated):
    bare = Evaluated(evaluated.predicted, evaluated.measured, evaluated.log_total)
    with pytest.raises(ValueError, match="raw counts"):
        auc(bare, 0)
