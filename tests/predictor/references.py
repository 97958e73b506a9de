"""A reference without slides, for tests that are about something else."""

import numpy as np

from histoscribe.data.stain_density import TissueStain
from histoscribe.predictor.reference import Reference


def reference_of(feature: np.ndarray) -> Reference:
    """Every spot kept, in the space of the features themselves; one unit is one unit of them."""
    width = feature.shape[1]
    return Reference(
        mean=np.zeros(width),
        scale=np.ones(width),
        axes=np.eye(width),
        points=np.column_stack([feature, np.zeros(len(feature))]).astype(np.float32),
        unit=1.0,
        unit_of="patient",
        mpp=(0.5, 0.5),
        stain={"S1": TissueStain(0.3, 0.1, 0.2, 0.1, 0.5)},
    )
