"""Small sections of many patients with facts; a class of them can follow the tissue differently."""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp
import torch

from histoscribe.io.slides.array import ArraySlide
from histoscribe.models.base import Facts, create_model
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import integer, stream
from histoscribe.train.run import train
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots
from tests.explain.alike import with_network

SIDE, PITCH_PX, MPP = 6, 32, 3.125
"""Spots along each side; they are 100 um apart."""
N_GENES = 12
COMMON, RARE = "common", "rare"
_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def toy_cohort(
    seed: int,
    subtypes: Sequence[str],
    *,
    effect: float = 1.0,
    changed: float = 0.0,
    stain: float = 0.0,
    first: int = 0,
) -> Cohort:
    """A section of each patient; colour varies smoothly, and genes follow it.

    Parameters
    ----------
    subtypes
        Class of each patient; patients are named from P`first` on. Their sites take turns.
    effect
        How strongly genes follow the colour, 0 for not at all.
    changed
        How much more of half of the genes patients of the subtype `rare` have; a blue tint shows
        them, as strong as this.
    stain
        How much the second site tints its slides.
    """
    sections = []
    for number, subtype in enumerate(subtypes, start=first):
        site = ("north", "south")[number % 2]
        rare = changed * (subtype == RARE)
        facts = {"subtype": subtype, "site": site}
        sections.append(_section(seed, number, facts, effect, rare, stain * (site == "south")))
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of, of.facts) for of in sections])


@cache
def toy_predictor(model: str = "mlp", changed: float = 0.0, n_rare: int = 1) -> Predictor:
    """A predictor of six patients, `n_rare` of them of the rare subtype; trained on other draws."""
    _folders.append(TemporaryDirectory())
    subtypes = [COMMON] * (6 - n_rare) + [RARE] * n_rare
    return train(
        toy_cohort(900, subtypes, changed=changed, first=100),
        {model: {"preset": "tiny"} if model == "mlp" else {}},
        out=Path(_folders[-1].name) / "predictor",
        inputs={
            "encoder": "mean_colour",
            "tile_px": PITCH_PX,
            "mpp": MPP,
            "white_off_tissue": False,
        },
        target={"transform": "cp10k-log1p", "n_genes": N_GENES},
        train={"epochs": 8, "learning_rate": 3e-3, "batch_size": 32},
        run={"device": "cpu"},
    )


def together(*cohorts: Cohort) -> Cohort:
    """One cohort of all sections."""
    return Cohort(
        [
            CohortEntry(of.id, of.patient, lambda of=of: of, of.facts)
            for cohort in cohorts
            for of in cohort
        ]
    )


def _section(
    seed: int, number: int, facts: dict[str, str], effect: float, rare: float, stain: float
) -> Section:
    rng = stream(seed, f"toy-faults-{number}")
    y, x = np.mgrid[:SIDE, :SIDE]
    colour = np.sin(x * rng.uniform(0.5, 1.2) + y * rng.uniform(0.5, 1.2) + rng.uniform(0, 6))
    pixels = np.empty((SIDE * PITCH_PX, SIDE * PITCH_PX, 3))
    pixels[:] = np.kron(150 + 40 * colour, np.ones((PITCH_PX, PITCH_PX)))[..., None]
    pixels[..., 1] -= 60 + 15 * stain
    pixels[..., 2] += 25 * rare
    pixels += rng.normal(0, 4, pixels.shape) + rng.normal(0, 2, 3)
    xy = PITCH_PX * (np.stack([x.ravel(), y.ravel()], axis=1) + 0.5)
    spots = Spots(tuple(f"s{spot}" for spot in range(SIDE**2)), xy, 55.0, 100.0)
    gene = np.arange(N_GENES)
    slope = np.where(gene % 2, 0.8, -0.8) * (gene < 8)
    shift = rare * np.where(gene % 4 < 2, 1.0, -1.0) * (gene < 8)
    rate = 40 * np.exp(effect * slope * colour.ravel()[:, None] + shift)
    names = tuple(f"G{at}" for at in gene)
    counts = Counts(sp.csr_matrix(rng.poisson(rate).astype(np.float64)), names, names)
    slide = ArraySlide(
        f"toy-{seed}-{number}", np.clip(np.rint(pixels), 0, 255).astype(np.uint8), MPP
    )
    return Section(f"P{number}S", f"P{number}", slide, spots, counts, facts=facts)


def with_subtypes(cohort: Cohort, subtypes: Sequence[str]) -> Cohort:
    """The same sections under other subtypes."""
    sections = [
        replace(section, facts={**section.facts, "subtype": subtype})
        for section, subtype in zip(cohort, subtypes, strict=True)
    ]
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of, of.facts) for of in sections])


def shuffled(subtypes: Sequence[str], seed: int) -> list[str]:
    """The same classes in a random order."""
    return stream(seed, "toy-subtypes").permutation(subtypes).tolist()


def random_predictor(seed: int) -> Predictor:
    """The predictor with a network of random weights in it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "toy-network"))
        facts = replace(Facts.plain(N_GENES, 3), feature_mean=np.full(3, 150.0))
        network = create_model("mlp", facts=facts, hidden=16)
    return with_network(toy_predictor(), network)
