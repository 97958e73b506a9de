"""Small sections whose tiles show four programmes of genes, and an `stformer` to train again."""

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

SIDE, PITCH_PX, MPP = 8, 64, 1.5625
"""Spots along each side; they are 100 um apart."""
N_PROGRAMMES, N_MEMBERS, N_OTHERS = 4, 20, 24
SETS = tuple(f"SET_{number}" for number in range(N_PROGRAMMES))
N_TRAINED, N_PATIENTS = 4, 6
AT_REST = 1e-9
"""Learning rate of a network that keeps its random weights."""
_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def toy_cohort(seed: int, *, effect: float = 1.0, exchanged: bool = False) -> Cohort:
    """A section of each patient; tiles show four smooth fields, which the programmes follow.

    `effect` is the strength of the link, 0 for none. If they are exchanged, each patient has the
    counts of the next one, at random spots.
    """
    drawn = [_section(seed, number, effect) for number in range(N_PATIENTS)]
    counts = [of for _, _, of in drawn]
    if exchanged:
        counts = [
            Counts(of.matrix[_order(seed, number)], of.gene_ids, of.gene_names)
            for number, of in enumerate([*counts[1:], counts[0]])
        ]
    sections = [
        Section(f"P{number}S", f"P{number}", slide, spots, counts[number])
        for number, (slide, spots, _) in enumerate(drawn)
    ]
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def fields(seed: int, number: int) -> np.ndarray:
    """[N, 4] fields of a section."""
    rng = stream(seed, f"toy-pathways-{number}")
    y, x = np.mgrid[:SIDE, :SIDE]
    slopes = rng.uniform(0.4, 1.1, size=(N_PROGRAMMES, 2)) * rng.choice([-1, 1], (N_PROGRAMMES, 2))
    waves = [np.sin(x * a + y * b + rng.uniform(0, 6)) for a, b in slopes]
    return np.stack([wave.ravel() for wave in waves], axis=1)


@cache
def toy_predictor(
    learning_rate: float = 3e-3,
    init: str = "init",
    panel: str = "programmes",
    epochs: int = 20,
    seed: int = 0,
) -> Predictor:
    """An `stformer` with these settings, trained on the first patients of the cohort of seed 0.

    `panel` is all genes of the `programmes`, or their first `half`.
    """
    _folders.append(TemporaryDirectory())
    folder = Path(_folders[-1].name)
    sets = folder / "sets.gmt"
    lines = ("\t".join([name, "toy", *_members(row)]) for row, name in enumerate(SETS))
    sets.write_text("".join(line + "\n" for line in lines))
    genes = [gene for row in range(N_PROGRAMMES) for gene in _members(row)]
    if panel == "half":
        genes = genes[::2]
    settings = parse_settings(
        {
            "seed": seed,
            "cohort": "memory",
            "models": ["stformer"],
            "settings": {
                "stformer": {
                    **{"width": 16, "layers": 2, "heads": 2, "dropout": 0.0},
                    **{"learning_rate": learning_rate, "pathway_init": init},
                }
            },
            "target": {"panel": "list", "genes": genes, "transform": "cp10k-log1p"},
            "pathways": {"sets": str(sets)},
            "inputs": {"tile_px": PITCH_PX, "mpp": MPP, "white_off_tissue": False},
            "train": {"epochs": epochs, "batch_size": 1, "keep": "last"},
            "run": {"device": "cpu"},
        },
        "toy settings",
    )
    trained = [f"P{number}S" for number in range(N_TRAINED)]
    return train(toy_cohort(0).subset(trained), settings=settings, out=folder / "predictor")


def _members(row: int) -> list[str]:
    return [f"G{row}x{gene}" for gene in range(N_MEMBERS)]


def _order(seed: int, number: int) -> np.ndarray:
    return stream(seed, f"toy-order-{number}").permutation(SIDE**2)


def _section(seed: int, number: int, effect: float) -> tuple[ArraySlide, Spots, Counts]:
    shown = fields(seed, number)
    rng = stream(seed, f"toy-counts-{number}")
    y, x = np.mgrid[:SIDE, :SIDE]
    pixels = np.empty((SIDE * PITCH_PX, SIDE * PITCH_PX, 3), dtype=np.float64)
    for channel in range(3):
        pixels[..., channel] = _enlarged(140 + 40 * shown[:, channel])
    stripes = np.where(np.arange(SIDE * PITCH_PX) // 2 % 2, 1.0, -1.0)
    pixels += (stripes * _enlarged(30 + 25 * shown[:, 3]))[..., None]
    xy = PITCH_PX * (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5)
    spots = Spots(tuple(f"s{spot}" for spot in range(SIDE**2)), xy, 55.0, 100.0)
    followed = np.repeat(shown, N_MEMBERS, axis=1)
    rate = np.concatenate(
        [20 * np.exp(0.6 * effect * followed), np.full((SIDE**2, N_OTHERS), 20.0)], 1
    )
    matrix = sp.csr_matrix(rng.poisson(rate).astype(np.float64))
    genes = [gene for row in range(N_PROGRAMMES) for gene in _members(row)]
    genes = (*genes, *(f"O{gene}" for gene in range(N_OTHERS)))
    slide = ArraySlide(f"toy-{seed}-{number}", pixels.clip(0, 255).astype(np.uint8), MPP)
    return slide, spots, Counts(matrix, genes, genes)


def _enlarged(values: np.ndarray) -> np.ndarray:
    return np.kron(values.reshape(SIDE, SIDE), np.ones((PITCH_PX, PITCH_PX)))
