"""The metric of bags: one value per patient on the linear scale."""

import numpy as np
from jaxtyping import Float, Int


def mape(
    predicted: Float[np.ndarray, "patients G"], measured: Float[np.ndarray, "patients G"]
) -> Float[np.ndarray, " G"]:
    """Mean over patients of abs(predicted - measured) / measured, for measured values above zero.

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
