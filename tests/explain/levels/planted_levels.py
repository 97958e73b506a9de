"""Small sections whose tiles differ in darkness, and genes that follow it or follow nothing."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp

from histoscribe.io.slides.array import ArraySlide
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

SIDE, TILE_PX = 4, 16
DARK, NULL, OF_PATIENT = "DARK", "NULL", "OF_PATIENT"
GENES = (DARK, NULL, OF_PATIENT, "REST")
"""Follows the darkness of its tile; a smooth map of its own; the darkness of its patient; equal."""

_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def planted_section(number: int, seed: int) -> Section:
    """One section of one patient; each has its own darkness, too."""
    rng = np.random.default_rng([seed, number])
    of_patient = rng.normal()
    dark, null = _smooth(rng), _smooth(rng)
    tone = 150 - 22 * dark - 12 * of_patient
    side_px = SIDE * TILE_PX
    pixels = np.kron(tone.reshape(SIDE, SIDE), np.ones((TILE_PX, TILE_PX)))[..., None]
    pixels = pixels + np.array([30, -20, 25]) + rng.normal(0, 8, (side_px, side_px, 1))
    grid = np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2)
    rate = np.stack(
        [
            60 * np.exp(0.6 * dark),
            60 * np.exp(0.6 * null),
            np.full(SIDE**2, 60 * np.exp(0.6 * of_patient)),
            np.full(SIDE**2, 4000.0),
        ],
        axis=1,
    )
    name = f"S{number}"
    return Section(
        name,
        f"P{number}",
        ArraySlide(name, pixels.clip(0, 255).astype(np.uint8), 1.0),
        Spots(
            tuple(f"{name}-{row}" for row in range(SIDE**2)),
            (grid + 0.5) * TILE_PX,
            float(TILE_PX),
            float(TILE_PX),
        ),
        Counts(sp.csr_matrix(rng.poisson(rate).astype(np.float64)), GENES, GENES),
        facts={"subtype": f"kind {number % 2}"},
    )


def planted_cohort(n_patients: int = 6, seed: int = 0) -> Cohort:
    """One section a patient."""
    return cohort_of([planted_section(number, seed) for number in range(n_patients)])


def cohort_of(sections: list[Section]) -> Cohort:
    """These sections as a cohort."""
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of, of.facts) for of in sections])


@cache
def trained(model: str = "ridge") -> Predictor:
    """A predictor of other patients than those of the questions; trained once."""
    _folders.append(TemporaryDirectory())
    folder = Path(_folders[-1].name)
    table = {
        "cohort": "memory",
        "models": [model],
        "target": {"n_genes": len(GENES), "transform": "cp10k-log1p"},
        "inputs": {
            "tile_px": TILE_PX,
            "mpp": 1.0,
            "encoder": "mean_colour",
            "white_off_tissue": False,
        },
        "settings": {model: {"preset": "tiny"}} if model == "abmil" else {},
        "train": {"epochs": 20, "batch_size": 2},
        "run": {"device": "cpu"},
    }
    settings = parse_settings(table, "test settings")
    cohort = planted_cohort(seed=1_000_000)
    return train(cohort, settings=settings, out=folder / "predictor", cache=folder / "cache")


def _smooth(rng: np.random.Generator) -> np.ndarray:
    """A smooth map over the spots, of mean 0 and deviation 1."""
    y, x = np.divmod(np.arange(SIDE**2), SIDE)
    waves = [
        rng.normal() * np.cos(rng.uniform(0, 1.4) * x + rng.uniform(0, 1.4) * y + rng.uniform(0, 7))
        for _ in range(4)
    ]
    values = np.sum(waves, axis=0)
    return (values - values.mean()) / values.std()
