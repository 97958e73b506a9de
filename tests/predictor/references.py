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


def card_of(n_features: int, gene_names: tuple[str, ...] = ("ACTB", "ERBB2")) -> dict[str, object]:
    """What training says of itself, for a predictor that no section was read for."""
    section = {"patient": "P1", "spots": 240, "mpp": 0.5}
    return {
        "protocol": "patient",
        "validation": "none",
        "training_spots": {"S1": 240},
        "sections": {"S1": section},
        "spots_um": {"diameter": [55.0, 55.0], "pitch": [100.0, 100.0]},
        "encoder": {"licence": "BSD-3-Clause", "paper": "a paper"},
        "n_features": n_features,
        "gene_names": list(gene_names),
        "n_parameters": 12,
        "versions": {"histoscribe": "0"},
    }
