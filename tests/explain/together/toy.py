"""Small sections whose colours show two programmes of genes, and predictors to ask about them."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp
from scipy.ndimage import gaussian_filter

from histoscribe.io.slides.array import ArraySlide
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

SIDE, PITCH_PX, MPP = 12, 32, 3.125
"""Spots along each side; they are 100 um apart."""
N_PATIENTS, HELD_OUT = 4, "P3"
"""The last patient is held out."""
PROGRAMMES = ("red", "blue", "hidden")
"""Two that the colour shows, and one that nothing shows."""
N_EACH, N_OTHER = 6, 4
N_GENES = len(PROGRAMMES) * N_EACH + N_OTHER
"""Genes of each programme, and genes that follow none."""
_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def toy_cohort(seed: int, *, effect: float = 1.0, exchanged: bool = False) -> Cohort:
    """A section of each patient, with smooth colours.

    `effect` is the strength of the programmes that colour shows; with 0 they follow smooth fields
    that nothing shows. If they are exchanged, each training patient has the counts of the next
    one, at random spots.
    """
    drawn = [_section(seed, number, effect) for number in range(N_PATIENTS)]
    counts = [of for _, _, of in drawn]
    if exchanged:
        moved = [*counts[1:-1], counts[0]]
        orders = [stream(seed, f"together-{n}").permutation(SIDE**2) for n in range(len(moved))]
        counts[:-1] = [
            Counts(of.matrix[order], of.gene_ids, of.gene_names)
            for of, order in zip(moved, orders, strict=True)
        ]
    sections = [
        Section(f"P{number}S", f"P{number}", slide, spots, counts[number])
        for number, (slide, spots, _) in enumerate(drawn)
    ]
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def toy_predictor(cohort: Cohort, model: str = "ridge") -> Predictor:
    """A model that was trained on all patients but the last."""
    _folders.append(TemporaryDirectory())
    settings = parse_settings(
        {
            "cohort": "memory",
            "models": [model],
            "settings": {"mlp": {"preset": "tiny"}} if model == "mlp" else {},
            "target": {"n_genes": N_GENES, "transform": "cp10k-log1p"},
            "inputs": {
                "encoder": "mean_colour",
                "tile_px": PITCH_PX,
                "mpp": MPP,
                "white_off_tissue": False,
            },
            "train": {"epochs": 8, "batch_size": 32, "learning_rate": 3e-3},
            "run": {"device": "cpu"},
        },
        "toy settings",
    )
    folder = Path(_folders[-1].name) / "predictor"
    return train(cohort.subset(cohort.ids[:-1]), settings=settings, out=folder)


@cache
def toy_mlp() -> Predictor:
    """A network that was trained on the cohort of seed 0."""
    return toy_predictor(toy_cohort(0), "mlp")


def toy_sets(folder: Path) -> Path:
    """A GMT file of the programmes."""
    genes = np.array([f"G{gene}" for gene in range(N_GENES)])
    lines = ["\t".join([name, "", *genes[_members(name)]]) for name in PROGRAMMES]
    path = folder / "programmes.gmt"
    path.write_text("\n".join(lines))
    return path


def _members(programme: str) -> np.ndarray:
    start = PROGRAMMES.index(programme) * N_EACH
    return np.arange(start, start + N_EACH)


def _section(seed: int, number: int, effect: float) -> tuple[ArraySlide, Spots, Counts]:
    rng = stream(seed, f"toy-together-{number}")
    y, x = np.mgrid[:SIDE, :SIDE]
    waves = [_smooth(rng) for _ in range(5)]
    pixels = np.full((SIDE * PITCH_PX, SIDE * PITCH_PX, 3), 110, dtype=np.uint8)
    for channel, wave in zip((0, 2), waves, strict=False):
        shade = np.clip(150 + 35 * wave, 0, 255)
        pixels[..., channel] = np.kron(shade, np.ones((PITCH_PX, PITCH_PX)))
    xy = PITCH_PX * (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5)
    spots = Spots(tuple(f"s{spot}" for spot in range(SIDE**2)), xy, 55.0, 100.0)
    fields = [
        effect * one + (1 - effect) * other for one, other in zip(waves, waves[3:], strict=False)
    ]
    change = np.zeros((SIDE**2, N_GENES))
    for programme, field in zip(PROGRAMMES, [*fields[:2], waves[2]], strict=True):
        change[:, _members(programme)] = 0.5 * field.ravel()[:, None]
    depth = rng.uniform(0.5, 1.5, (SIDE**2, 1))
    matrix = sp.csr_matrix(rng.poisson(30 * depth * np.exp(change)).astype(np.float64))
    genes = tuple(f"G{gene}" for gene in range(N_GENES))
    return ArraySlide(f"together-{seed}-{number}", pixels, MPP), spots, Counts(matrix, genes, genes)


def _smooth(rng: np.random.Generator) -> np.ndarray:
    """A standard field that is alike in neighbouring spots."""
    field = gaussian_filter(rng.normal(size=(SIDE, SIDE)), 1.0)
    return (field - field.mean()) / field.std()
