import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.metrics.across import moran_r, pcc_pooled, pcc_spot, pearson_per_spot
from histoscribe.metrics.evaluated import Evaluated


def line_graph(n_spots):
    ones = np.ones(n_spots - 1)
    return sp.csr_matrix(sp.diags([ones, ones], [-1, 1]))


def of(predicted, measured, graph=None):
    return Evaluated(predicted, measured, np.zeros(len(predicted)), graph=graph)


def test_pcc_spot_correlates_over_genes_and_skips_genes_not_measured():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 20, 6))
    expected = np.mean([np.corrcoef(x[n, 1:], y[n, 1:])[0, 1] for n in range(20)])
    y[:, 0] = np.nan
    assert pcc_spot(of(x, y)) == pytest.approx(expected)


def test_a_spot_with_equal_genes_is_undefined_and_left_out():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 5, 6))
    y[2] = 0.0
    scores = pearson_per_spot(of(x, y))
    assert np.isnan(scores[2])
    assert pcc_spot(of(x, y)) == pytest.approx(np.nanmean(scores))
    assert np.isnan(pcc_spot(of(x, np.full_like(y, np.nan))))


def test_moran_r_is_one_for_equal_patterns_and_drops_constant_genes():
    rng = np.random.default_rng(0)
    wave = np.cos(np.arange(80)[:, None] * np.linspace(0.1, 3, 8))
    truth = wave + 0.3 * rng.normal(size=wave.shape)
    graph = line_graph(80)
    assert moran_r(of(5 * truth + 1, truth, graph)) == pytest.approx(1)
    truth[:, 0], truth[:, 1] = 3.0, np.nan
    assert moran_r(of(5 * np.nan_to_num(truth), truth, graph)) == pytest.approx(1)
    assert moran_r(of(np.zeros_like(truth), truth, graph)) == 0
    assert np.isnan(moran_r(of(truth[:, 2:4], truth[:, 2:4], graph)))


def test_pooling_sees_the_level_between_sections_that_pcc_does_not():
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(4, 500, 1))
    sections = [of(noise[0], noise[1]), of(noise[2] + 100, noise[3] + 100)]
    assert pcc_pooled(sections)[0] > 0.99


def test_a_gene_missing_from_one_section_is_pooled_over_the_others():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 2, 30, 3))
    y[1, :, 0], y[:, :, 2] = np.nan, np.nan
    found = pcc_pooled([of(x[0], y[0]), of(x[1], y[1])])
    assert found[0] == pytest.approx(np.corrcoef(x[0, :, 0], y[0, :, 0])[0, 1])
    both = np.corrcoef(x[:, :, 1].ravel(), y[:, :, 1].ravel())[0, 1]
    assert found[1] == pytest.approx(both)
    assert np.isnan(found[2])
