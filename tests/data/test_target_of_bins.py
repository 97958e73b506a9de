"""Counts of a large section stay sparse until rows and genes are chosen."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp

from histoscribe.data.measured_genes import panel_counts
from histoscribe.data.target import TargetSettings, fit_target
from histoscribe.data.transform import TRANSFORMS
from tests.data.fakes_for_data import fake_section

N_BINS, N_GENES, PANEL = 500_000, 400, 250


@pytest.fixture(scope="module")
def bins():
    """A section of half a million bins with four counts each."""
    rng = np.random.default_rng(0)
    matrix = sp.csr_matrix(
        (
            rng.integers(1, 4, 4 * N_BINS),
            (rng.integers(0, N_GENES - 1, (N_BINS, 4)) + np.array([0, 0, 0, 1])).ravel(),
            np.arange(0, 4 * N_BINS + 1, 4),
        ),
        shape=(N_BINS, N_GENES),
    )
    matrix.sum_duplicates()
    return fake_section("bins", "a", matrix, side_px=10**6)


@pytest.mark.parametrize("transform", list(TRANSFORMS))
@pytest.mark.parametrize("n_rows", [100, 2000])
def test_a_few_rows_of_a_large_section_take_the_memory_of_these_rows(bins, transform, n_rows):
    fitted = fit_target(
        [(bins, np.arange(5000))], TargetSettings(n_genes=PANEL, transform=transform)
    )
    rows = np.random.default_rng(1).choice(N_BINS, n_rows, replace=False)
    fitted.apply(bins, rows[:1])  # totals of the genes are computed once a section
    tracemalloc.start()
    fitted.apply(bins, rows)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    dense = n_rows * PANEL * 8
    assert peak < 8 * dense + 500_000  # half a MB for what does not grow with the rows


def test_the_totals_of_the_genes_take_no_more_than_a_chunk(bins):
    counts = replace(bins.measured)  # another record, whose totals nobody asked for
    tracemalloc.start()
    found = counts.gene_total
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8_000_000
    np.testing.assert_array_equal(found, np.asarray(counts.matrix.sum(axis=0)).ravel())


def test_size_factors_and_shares_of_some_rows_are_over_all_genes_and_all_spots(bins):
    rows = np.array([400_000, 3, 77])
    panel = panel_counts(bins, rows, ("g007", "g000"))
    matrix = bins.measured.matrix
    np.testing.assert_array_equal(panel.total, matrix[rows].toarray().sum(axis=1))
    np.testing.assert_array_equal(panel.total, bins.measured.total[rows])
    np.testing.assert_array_equal(panel.counts, matrix[rows].toarray()[:, [7, 0]])
    np.testing.assert_array_equal(
        panel.share, np.asarray(matrix.sum(axis=0)).ravel()[[7, 0]] / matrix.sum()
    )
    assert panel.n_section_spots == N_BINS
