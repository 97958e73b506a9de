"""Sections whose tissue looks alike in all patients, and predictors to put networks into.

Every spot has a colour of its own, drawn for itself, so that nothing is smooth and nothing but what
a test plants tells patients apart.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import scipy.sparse as sp
import torch

import histoscribe as hs
from histoscribe.explain.finding import Finding
from histoscribe.io.slides.array import ArraySlide
from histoscribe.models.base import ExpressionModel, Facts, create_model
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import integer, stream
from histoscribe.types import Cohort, CohortEntry, Counts, Section, Spots

SIDE, TILE_PX, MPP = 6, 32, 3.125
"""Spots along each side of a section, 100 um apart, each as wide as its tile."""
N_GENES = 40


def alike_cohort(
    seed: int, *, stains: Sequence[float] = (0.0, 0.0, 0.0), link: float = 0.0, moved: int = 0
) -> Cohort:
    """A section of each patient.

    `stains` are added to the colour of each patient. Genes follow the colour of their spot as
    strongly as `link` says; with `moved`, that of the patient so many places further on.
    """
    looks = [stream(seed, f"alike-{n}").uniform(-1, 1, SIDE**2) for n in range(len(stains))]
    sections = []
    for number, stain in enumerate(stains):
        draw = stream(seed, f"alike-genes-{number}")
        slope = np.where(np.arange(N_GENES) % 2, 1.0, -1.0)
        shown = looks[(number + moved) % len(stains)][:, None]
        noise = draw.normal(size=(SIDE**2, N_GENES))
        rate = 60 * np.exp(link * slope * shown + (1 - link) * noise / 2)
        genes = tuple(f"G{gene}" for gene in range(N_GENES))
        counts = Counts(sp.csr_matrix(draw.poisson(rate).astype(np.float64)), genes, genes)
        slide = _slide(f"alike-{seed}-{number}", looks[number], stain, draw)
        sections.append(Section(f"N{number}S", f"N{number}", slide, _spots(), counts))
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


@cache
def predictor_of(model: str, seed: int = 0) -> Predictor:
    """A tiny model of this name, trained for one epoch on patients of other names."""
    patients = [
        Section(f"T{at}S", f"T{at}", of.slide, of.spots, of.counts)
        for at, of in enumerate(alike_cohort(seed + 5000))
    ]
    _folders.append(TemporaryDirectory())
    return hs.train(
        Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in patients]),
        {model: {"preset": "tiny"}},
        out=Path(_folders[-1].name) / "predictor",
        inputs={
            "encoder": "mean_colour",
            "tile_px": TILE_PX,
            "mpp": MPP,
            "white_off_tissue": False,
        },
        target={"transform": "log1p", "n_genes": N_GENES},
        train={"epochs": 1, "keep": "last"},
        run={"device": "cpu"},
        **({"exemplars": {"n": 3}} if model == "egn" else {}),
    )


_folders: list[TemporaryDirectory[str]] = []
"""Kept until the tests end, which removes them."""


def with_network(predictor: Predictor, network: ExpressionModel) -> Predictor:
    """The predictor with another network, under another hash."""
    return replace(
        predictor, fitted=Fitted(network, predictor.fitted.lookup), _encoder=predictor.encoder
    )


def random_mlp(seed: int) -> ExpressionModel:
    """A network of features with random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "alike-network"))
        facts = Facts.plain(N_GENES, 3)
        return create_model("mlp", facts=replace(facts, feature_mean=np.full(3, 150.0)), hidden=16)


def is_outside(finding: Finding, name: str) -> bool:
    """Whether a number lies outside its range by chance; an undefined one does not."""
    value, chance = finding.number(name).value, finding.chance(name)
    if np.isnan(value) or chance.low is None or chance.high is None:
        return False
    return not chance.low <= value <= chance.high


def _slide(name: str, look: np.ndarray, stain: float, draw: np.random.Generator) -> ArraySlide:
    """Pink tissue, darker or lighter in each spot, with grain."""
    shade = np.kron(look.reshape(SIDE, SIDE), np.ones((TILE_PX, TILE_PX)))
    grain = draw.normal(size=shade.shape)
    pixels = np.stack(
        [190 + 25 * shade + 12 * stain, 110 + 20 * shade, 160 - 12 * stain + 0 * shade]
    )
    pixels = pixels + 6 * grain + draw.normal(size=pixels.shape)
    return ArraySlide(
        name, np.clip(np.rint(pixels), 0, 255).astype(np.uint8).transpose(1, 2, 0).copy(), MPP
    )


def _spots() -> Spots:
    at = np.arange(SIDE**2)
    xy = TILE_PX * (0.5 + np.stack([at % SIDE, at // SIDE], axis=1))
    return Spots(tuple(f"s{spot}" for spot in at), xy, 55.0, 100.0)
