import numpy as np

from histoscribe.metrics.bags import mape, mape_excluded, pcc_over_patients


def test_a_correlation_over_patients_leaves_out_what_is_not_known():
    measured = np.array([[1.0, 1.0, 2.0, np.nan], [2.0, 2.0, 2.0, 5.0], [4.0, np.nan, 2.0, 6.0]])
    predicted = np.array([[3.0, 3.0, 1.0, 1.0], [5.0, 5.0, 2.0, 2.0], [9.0, 1.0, 3.0, 3.0]])
    found = pcc_over_patients(predicted, measured)
    np.testing.assert_allclose(found[0], 1.0)
    assert np.isnan(found[1:]).all(), "two patients, a constant gene, two patients"
    assert pcc_over_patients(np.ones((3, 1)), measured[:, :1])[0] == 0


def test_the_mean_of_the_other_patients_correlates_at_minus_one():
    measured = np.random.default_rng(0).normal(size=(5, 3))
    others = (measured.sum(axis=0) - measured) / 4
    np.testing.assert_allclose(pcc_over_patients(others, measured), -1)


def test_mape_leaves_out_and_counts_patients_at_zero():
    measured = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    predicted = np.array([[2.0, 1.0], [1.0, 1.0], [5.0, 1.0]])
    found = mape(predicted, measured)
    assert found[0] == (1.0 + 0.5) / 2
    assert np.isnan(found[1])
    assert mape_excluded(measured).tolist() == [1, 3]
