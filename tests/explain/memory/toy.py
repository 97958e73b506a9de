"""Small sections whose colour gives the counts, or nothing, and a predictor to train again."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp

from histoscribe.io.slides.array import ArraySlide
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

SIDE, PITCH_PX, MPP = 7, 64, 1.5625
"""Spots along each side; they are 100 um apart."""
N_GENES = 10
_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def toy_cohort(
    seed: int, n_patients: int = 4, *, effect: float = 1.0, exchanged: bool = False
) -> Cohort:
    """A section of each patient; colour changes smoothly, and half of the genes follow it.

    `effect` is the strength of the link, 0 for none. If they are exchanged, each patient has the
    counts of the next one, at random spots.
    """
    drawn = [_section(seed, number, effect) for number in range(n_patients)]
    counts = [of for _, _, of in drawn]
    if exchanged:
        orders = [
            stream(seed, f"toy-{number}").permutation(SIDE**2) for number in range(n_patients)
        ]
        counts = [
            Counts(of.matrix[order], of.gene_ids, of.gene_names)
            for of, order in zip([*counts[1:], counts[0]], orders, strict=True)
        ]
    sections = [
        Section(f"P{number}S", f"P{number}", slide, spots, counts[number])
        for number, (slide, spots, _) in enumerate(drawn)
    ]
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


@cache
def toy_predictor(learning_rate: float = 3e-3) -> Predictor:
    """An `mlp` with these settings; what it was trained on does not matter."""
    _folders.append(TemporaryDirectory())
    settings = parse_settings(
        {
            "cohort": "memory",
            "models": ["mlp"],
            "settings": {"mlp": {"preset": "tiny"}},
            "target": {"n_genes": N_GENES, "transform": "cp10k-log1p"},
            "inputs": {"tile_px": PITCH_PX, "mpp": MPP, "white_off_tissue": False},
            "train": {"epochs": 8, "batch_size": 32, "learning_rate": learning_rate},
            "run": {"device": "cpu"},
        },
        "toy settings",
    )
    folder = Path(_folders[-1].name) / "predictor"
    return train(toy_cohort(0, 2), settings=settings, out=folder)


def _section(seed: int, number: int, effect: float) -> tuple[ArraySlide, Spots, Counts]:
    rng = stream(seed, f"toy-memory-{number}")
    y, x = np.mgrid[:SIDE, :SIDE]
    colour = np.sin(x * rng.uniform(0.5, 1.2) + y * rng.uniform(0.5, 1.2) + rng.uniform(0, 6))
    pixels = np.empty((SIDE * PITCH_PX, SIDE * PITCH_PX, 3), dtype=np.uint8)
    pixels[:] = np.kron(150 + 50 * colour, np.ones((PITCH_PX, PITCH_PX)))[..., None]
    pixels[..., 1] -= 60
    xy = PITCH_PX * (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5)
    spots = Spots(tuple(f"s{spot}" for spot in range(SIDE**2)), xy, 55.0, 100.0)
    slope = np.where(np.arange(N_GENES + 2) % 2, 0.8, -0.8) * (np.arange(N_GENES + 2) < 6)
    rate = 40 * np.exp(effect * slope * colour.ravel()[:, None])
    matrix = sp.csr_matrix(rng.poisson(rate).astype(np.float64))
    genes = tuple(f"G{gene}" for gene in range(N_GENES + 2))
    return ArraySlide(f"toy-{seed}-{number}", pixels, MPP), spots, Counts(matrix, genes, genes)
