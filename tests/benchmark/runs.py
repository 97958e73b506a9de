"""Tiny cohorts and settings that tests of whole runs share."""

from pathlib import Path

from histoscribe.simulate.cohort import simulate
from histoscribe.train.config import RunSettings, parse_settings


def tiny_cohort(folder: Path, n_patients: int = 3, **settings) -> Path:
    """A simulated cohort that is drawn in seconds."""
    return simulate(
        folder, n_patients=n_patients, spots_per_section=30, genes_per_family=6, **settings
    )


def tiny_settings(cohort: Path, **changes) -> RunSettings:
    """A run of all cheap models on it."""
    table = {
        "cohort": str(cohort),
        "models": ["mean", "colour", "depth", "knn", "ridge", "mlp"],
        "target": {"n_genes": 12},
        "inputs": {"tile_px": 64, "mpp": 1.0},
        "settings": {"mlp": {"preset": "tiny"}},
        "train": {"epochs": 8},
        "run": {"device": "cpu"},
        **changes,
    }
    return parse_settings(table, "test settings")
