"""Training tables with a planted linear truth, for tests of models."""

import numpy as np

from histoscribe.types import SpotTable


def planted_table(
    seed: int = 0, n_spots: int = 240, n_features: int = 12, n_genes: int = 5, noise: float = 0.5
) -> SpotTable:
    """Spots of four patients whose genes are linear in the features; the last gene is noise."""
    rng = np.random.default_rng(seed)
    feature = rng.normal(2.0, 3.0, (n_spots, n_features)).astype(np.float32)
    weights = rng.normal(size=(n_features, n_genes)) / n_features
    weights[:, -1] = 0
    target = feature @ weights + noise * rng.normal(size=(n_spots, n_genes)) + 1.0
    patient = np.repeat(["A", "B", "C", "D"], n_spots // 4)
    return SpotTable(
        feature=feature,
        target=target.astype(np.float32),
        log_total=(8 + 0.1 * feature[:, 0] + 0.2 * rng.normal(size=n_spots)).astype(np.float64),
        section=tuple(f"{p}1" for p in patient),
        patient=tuple(patient),
        inner=tuple(
            (np.flatnonzero(patient != held), np.flatnonzero(patient == held)) for held in "ABCD"
        ),
    )
