"""Scores over patients: a patient is the mean of its spots, however many sections they lie on."""

import numpy as np
import pandas as pd
import scipy.sparse as sp

from histoscribe.benchmark.patients import patient_rows, patient_values, patients_table
from histoscribe.benchmark.score import Truth
from histoscribe.predictor.fitted_model import BagValues


def truth(section, patient, measured, genes=("g", "h")):
    measured = np.asarray(measured, dtype=np.float64)
    n_spots = len(measured)
    graph = sp.csr_matrix((n_spots, n_spots))
    return Truth(section, patient, genes, measured, np.zeros(n_spots), measured, graph)


def fold(patient, level, model="m", bags=None, genes=("g", "h")):
    """A fold that tests one patient, whose spots lie at this level; predicted half as high."""
    parts = [
        (truth(f"{patient}1", patient, [[level, 1.0]], genes), np.array([[level / 2, 1.0]])),
        (truth(f"{patient}2", patient, 2 * [[level + 3, 1.0]], genes), np.full((2, 2), level / 2)),
    ]
    return patient_values(model, patient, parts, bags)


def test_a_patient_is_the_mean_over_the_spots_of_all_sections():
    values = fold("P", 6.0)
    assert values.patients == ("P",)
    np.testing.assert_allclose(values.measured, [[8.0, 1.0]])
    np.testing.assert_allclose(values.predicted, [[3.0, (1 + 2 * 3.0) / 3]])


def test_a_model_of_bags_is_scored_by_what_it_says_of_the_patient():
    values = fold("P", 6.0, bags=BagValues(("O", "P"), np.array([[1.0, 2.0], [3.5, 4.5]])))
    np.testing.assert_allclose(values.predicted, [[3.5, 4.5]])


def test_scores_are_over_the_patients_of_all_folds():
    table = patients_table([fold(name, level) for name, level in (("P", 1), ("Q", 5), ("R", 6))])
    scores = table.set_index(["metric", "gene"])["value"]
    np.testing.assert_allclose(scores["pcc_over_patients", "g"], 1.0)
    assert np.isnan(scores["pcc_over_patients", "h"]), "constant in the truth"
    expected = np.mean([abs(x / 2 - (x + 2)) / (x + 2) for x in (1, 5, 6)])
    np.testing.assert_allclose(scores["mape", "g"], expected)
    rows = pd.DataFrame(patient_rows(table), columns=["model", "metric", *"abcde"])
    of_pcc = rows[rows["metric"] == "pcc_over_patients"].iloc[0]
    assert (of_pcc["a"], of_pcc["d"], of_pcc["e"]) == (1.0, 3, 1)


def test_few_patients_and_panels_that_differ_leave_scores_undefined():
    two = patients_table([fold("P", 1.0), fold("Q", 5.0)])
    assert two.loc[two["metric"] == "pcc_over_patients", "value"].isna().all()
    other = patients_table([fold("P", 1.0), fold("Q", 5.0), fold("R", 2.0, genes=("g", "k"))])
    counted = other.set_index(["metric", "gene"])["n_patients"]["pcc_over_patients"]
    assert counted.to_dict() == {"g": 3, "h": 2, "k": 1}


def test_a_target_below_zero_has_no_share_of_error():
    table = patients_table([fold("P", -9.0), fold("Q", 5.0), fold("R", 6.0)])
    assert table.loc[table["metric"] == "mape", "value"].isna().all()


def test_a_run_without_a_model_of_bags_has_no_such_rows():
    assert patient_rows(patients_table([])) == []
