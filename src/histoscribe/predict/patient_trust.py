"""Whether the tissue of a patient is like the training tissue, and words about it."""

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float

from histoscribe.predictor.limits import LEAST_TRUSTED
from histoscribe.types import TRUSTED, BulkPrediction

BEYOND = "share_beyond_training"
"""Patient fact: share of the tissue beyond the training; NaN where it is unknown."""


def patient_facts(
    beyond: Sequence[float], trusted: Sequence[float]
) -> dict[str, Float[np.ndarray, " M"]]:
    """Facts of patients, from the shares of tissue that are beyond the training and trusted."""
    enough = np.array(trusted) >= LEAST_TRUSTED
    return {BEYOND: np.array(beyond, dtype=np.float64), TRUSTED: enough.astype(np.float64)}


def patient_warnings(prediction: BulkPrediction) -> tuple[str, ...]:
    """Warnings about patients whose tissue is mostly unlike the training tissue."""
    return tuple(_warnings(prediction))


def _warnings(prediction: BulkPrediction) -> Iterator[str]:
    facts = prediction.patient_facts
    for row, patient in enumerate(prediction.patients):
        if facts[TRUSTED][row]:
            continue
        share = facts[BEYOND][row]
        part = "An unknown share" if np.isnan(share) else f"{share:.0%}"
        given = np.isfinite(prediction.values[row]).any()
        yield (
            f"{patient}: {part} of the tissue is beyond the training: no value of this patient "
            f"can be trusted, and they are {'kept' if given else 'left out (NaN)'}."
        )
