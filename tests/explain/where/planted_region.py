"""Small sections with a region of another colour, and predictors trained on them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from histoscribe.io.slides.array import ArraySlide
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.run import train
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

SIDE, TILE_PX = 8, 32
N_GENES = 6
GENES = tuple(f"G{gene}" for gene in range(N_GENES))
REGION_GENE = "G0"
"""High in the region; the others follow nothing that can be seen."""


def region(section: Section) -> np.ndarray:
    """Spots inside the region, from the colour of the middle of their tiles."""
    slide = section.slide
    pixels = slide.level_pixels(0, 0, 0, slide.width, slide.height)
    x, y = section.spots.xy.astype(int).T
    return pixels[y, x, 0] > 180


def planted_section(number: int, seed: int, fold: float) -> Section:
    """A section with a round region, redder than the rest; its size differs between patients.

    The first gene is `fold` times as high in the region; with 1 it follows nothing.
    """
    rng = np.random.default_rng([seed, number])
    side = SIDE * TILE_PX
    y, x = np.mgrid[:side, :side] / TILE_PX
    centre, radius = rng.uniform(2.5, SIDE - 2.5, 2), rng.uniform(1.2, 3.0)
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    shade = sum(
        rng.normal(0, 8)
        * np.cos(rng.uniform(0, 1.5) * x + rng.uniform(0, 1.5) * y + rng.uniform(0, 6))
        for _ in range(4)
    )
    colour = np.where(inside[..., None], [210, 110, 150], [150, 110, 190])
    pixels = colour + shade[..., None] + rng.normal(0, 4, (side, side, 3))
    xy = (
        np.stack(np.meshgrid(np.arange(SIDE), np.arange(SIDE)), -1).reshape(-1, 2) + 0.5
    ) * TILE_PX
    name = f"S{number}"
    slide = ArraySlide(name, pixels.clip(0, 255).astype(np.uint8), 1.0)
    spots = Spots(
        tuple(f"{name}-{row}" for row in range(SIDE**2)), xy, float(TILE_PX), float(TILE_PX)
    )
    rate = np.full((SIDE**2, N_GENES), 20.0)
    x, y = (xy / TILE_PX).T
    rate[np.hypot(x - centre[0], y - centre[1]) < radius, 0] *= fold
    counts = Counts(sp.csr_matrix(rng.poisson(rate).astype(np.float64)), GENES, GENES)
    return Section(name, f"P{number}", slide, spots, counts)


def planted_cohort(n_patients: int = 6, seed: int = 0, fold: float = 6.0) -> Cohort:
    """One section a patient."""
    return cohort_of([planted_section(number, seed, fold) for number in range(n_patients)])


def with_permuted_labels(cohort: Cohort, seed: int) -> Cohort:
    """The counts of each patient go to another one, all spots together."""
    sections = list(cohort)
    order = np.random.default_rng([seed, 7]).permutation(len(sections))
    return cohort_of(
        [
            replace(section, counts=sections[other].counts)
            for section, other in zip(sections, order, strict=True)
        ]
    )


def cohort_of(sections: list[Section]) -> Cohort:
    """A cohort of sections in memory."""
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def trained(
    cohort: Cohort, folder: Path, model: str = "abmil", seed: int = 0, epochs: int = 30
) -> Predictor:
    """A predictor of all sections but the last."""
    table = {
        "cohort": "memory",
        "seed": seed,
        "models": [model],
        "target": {"panel": "list", "genes": list(GENES), "transform": "cp10k-log1p"},
        "inputs": {
            "tile_px": TILE_PX,
            "mpp": 1.0,
            "encoder": "mean_colour",
            "white_off_tissue": False,
        },
        "settings": {model: {"preset": "tiny"}} if model not in ("ridge", "knn") else {},
        "train": {"epochs": epochs, "batch_size": 2},
        "run": {"device": "cpu"},
    }
    settings = parse_settings(table, "test settings")
    return train(
        cohort.subset(cohort.ids[:-1]), settings=settings, out=folder, cache=folder.parent / "cache"
    )
