"""Tiny cohorts and settings that tests of whole runs share."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from histoscribe.simulate.cohort import simulate
from histoscribe.train.settings import RunSettings, parse_settings


def tiny_cohort(folder: Path, n_patients: int = 3, genes_per_family: int = 6) -> Path:
    """A simulated cohort in this folder: a copy, for drawing one takes seconds."""
    manifest = _drawn(n_patients, genes_per_family)
    shutil.copytree(manifest.parent, folder, dirs_exist_ok=True)
    return folder / manifest.name


_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


@cache
def _drawn(n_patients: int, genes_per_family: int) -> Path:
    _folders.append(TemporaryDirectory())
    folder = Path(_folders[-1].name) / "cohort"
    return simulate(
        folder,
        n_patients=n_patients,
        spots_per_section=30,
        genes_per_family=genes_per_family,
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
    settings = parse_settings(table, "test settings")
    if any(row.exemplars is not None for row in settings.rows):
        # two training patients are too few to hold one out for the epoch and to look others up
        table["train"] = {"keep": "last", **table["train"]}
    return parse_settings(table, "test settings")
