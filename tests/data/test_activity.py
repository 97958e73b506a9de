import numpy as np

from histoscribe.data.activity import activity_of_values, measured_activity
from histoscribe.data.measured_genes import PanelCounts
from histoscribe.types import Pathways


def pathways(*rows):
    members = np.array(rows, dtype=bool)
    return Pathways(tuple(f"SET{n}" for n in range(len(rows))), members)


def panel(counts, total):
    share = np.full(counts.shape[1], 0.01)
    return PanelCounts(counts.astype(float), total.astype(float), share, len(counts))


def test_activity_is_the_mean_z_score_of_the_members():
    rng = np.random.default_rng(0)
    counts, total = rng.poisson(5, (50, 4)), rng.integers(500, 2000, 50)
    found = measured_activity(panel(counts, total), pathways([1, 1, 0, 0], [0, 1, 1, 1]))
    logs = np.log1p(counts / total[:, None] * 10_000)
    z = (logs - logs.mean(axis=0)) / logs.std(axis=0)
    expected = np.stack([z[:, :2].mean(axis=1), z[:, 1:].mean(axis=1)], axis=1)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-6)


def test_deep_spots_are_not_active_spots():
    counts = np.outer([1, 2, 4, 8], [3, 5])
    total = counts.sum(axis=1) * 50
    assert np.ptp(measured_activity(panel(counts, total), pathways([1, 1]))) < 1e-6


def test_constant_genes_add_nothing_and_genes_not_measured_are_left_out():
    values = np.array([[1.0, 7.0, np.nan], [3.0, 7.0, np.nan]])
    found = activity_of_values(values, pathways([1, 0, 1], [1, 1, 0], [0, 1, 0], [0, 0, 1]))
    np.testing.assert_allclose(found[:, 0], [-1, 1])
    np.testing.assert_allclose(found[:, 1], [-0.5, 0.5])
    np.testing.assert_array_equal(found[:, 2], [0, 0])
    assert np.isnan(found[:, 3]).all()
