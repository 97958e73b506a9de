import numpy as np

from histoscribe.metrics.bags import mape, mape_excluded


def test_mape_leaves_out_and_counts_patients_at_zero():
    measured = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 0.0]])
    predicted = np.array([[2.0, 1.0], [1.0, 1.0], [5.0, 1.0]])
    found = mape(predicted, measured)
    assert found[0] == (1.0 + 0.5) / 2
    assert np.isnan(found[1])
    assert mape_excluded(measured).tolist() == [1, 3]
