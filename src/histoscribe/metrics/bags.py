"""The metrics of bags: one value a patient."""

import numpy as np
from jaxtyping import Float, Int

from histoscribe.metrics.moments import pearson_per_gene

FEWEST_PATIENTS = 3
"""Two patients always lie on a line: their correlation is -1 or 1."""


def pcc_over_patients(
    predicted: Float[np.ndarray, "patients G"], measured: Float[np.ndarray, "patients G"]
) -> Float[np.ndarray, " G"]:
    """Pearson correlation of each gene over the patients in whom it was predicted and measured.

    Where each patient is predicted from the others, a model that predicts their mean has -1: the
    mean of the others is low where the patient is high.

    Returns
    -------
    [G] correlations in -1..1. NaN for fewer than three patients and for a gene that is constant
    in the truth; 0 for a constant prediction.
    """
    known = np.isfinite(predicted) & np.isfinite(measured)
    found = np.full(measured.shape[1], np.nan)
    for column in np.flatnonzero(known.sum(axis=0) >= FEWEST_PATIENTS):
        rows = known[:, column]
        pair = (values[rows, column : column + 1] for values in (predicted, measured))
        found[column] = pearson_per_gene(*pair)[0]
    return found


def mape(
    predicted: Float[np.ndarray, "patients G"], measured: Float[np.ndarray, "patients G"]
) -> Float[np.ndarray, " G"]:
    """Mean over patients of abs(predicted - measured) / measured, for measured values above zero.

    It has a meaning on a linear scale only.

    Returns
    -------
    [G] >= 0; NaN where no patient is above zero. `mape_excluded` counts the excluded patients.
    """
    above = measured > 0
    share = np.abs(predicted - measured) / np.where(above, measured, 1.0)
    n_above = above.sum(axis=0)
    total = np.where(above, share, 0.0).sum(axis=0)
    return np.where(n_above > 0, total / np.maximum(n_above, 1), np.nan)


def mape_excluded(measured: Float[np.ndarray, "patients G"]) -> Int[np.ndarray, " G"]:
    """Patients per gene that `mape` leaves out because their value is zero or missing."""
    return (~(measured > 0)).sum(axis=0)
