"""Tissue whose tiles differ in colour and in the place of a dark corner, and a network for both."""

import numpy as np
import scipy.sparse as sp
import torch
from torch import nn

from histoscribe.io.slides.array import ArraySlide
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.types import Cohort, CohortEntry, Counts, Output, Section, Spots
from tests.explain.alike import MPP, N_GENES, TILE_PX, predictor_of, with_network
from tests.explain.planted_maps import PlantedConfig

SIDE = 7
"""Spots along each side of a section."""


class CornerNetwork(ExpressionModel):
    """Genes are read off the darkness of a tile, and off that of its corner beyond it."""

    name = "corner"
    paper = "baseline"
    Config = PlantedConfig

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.reads = nn.Parameter(torch.randn(2, len(facts.target_mean)))

    def represent(self, image):
        dark = 1 - image.float().mean(dim=1) / 255
        middle = dark.shape[-1] // 2
        whole = dark.mean(dim=(1, 2))
        corner = dark[:, :middle, :middle].mean(dim=(1, 2)) - whole
        return torch.stack([whole, corner], dim=1)

    def forward(self, image) -> Output:
        return Output(self.represent(image) @ self.reads)


def corner_predictor() -> Predictor:
    """Even genes are read off the darkness, odd ones off the corner.

    The predictor is of patients that no cohort below has.
    """
    predictor = predictor_of("mlp")
    with torch.random.fork_rng(devices=[]):
        network = CornerNetwork(Facts.plain(N_GENES), PlantedConfig())
    with torch.no_grad():
        network.reads.zero_()
        for column, gene in enumerate(predictor.target.genes):
            network.reads[int(gene[1:]) % 2, column] = 10.0
    return with_network(predictor, network)


def corner_cohort(seed: int) -> Cohort:
    """Sections of two patients; even genes follow the colour of tiles, odd ones their corner."""
    sections = []
    for number in range(2):
        draw = stream(seed, f"corners-{number}")
        shade, corner = draw.uniform(-1, 1, (2, SIDE**2))
        signal = np.where(np.arange(N_GENES) % 2, corner[:, None], shade[:, None])
        counts = draw.poisson(60 * np.exp(-0.7 * signal)).astype(np.float64)
        genes = tuple(f"G{gene}" for gene in range(N_GENES))
        slide = ArraySlide(f"corners-{seed}-{number}", _pixels(shade, corner), MPP)
        at = np.arange(SIDE**2)
        xy = TILE_PX * (0.5 + np.stack([at % SIDE, at // SIDE], axis=1))
        spots = Spots(tuple(f"s{spot}" for spot in at), xy, 55.0, 100.0)
        of = Section(
            f"K{number}S", f"K{number}", slide, spots, Counts(sp.csr_matrix(counts), genes, genes)
        )
        sections.append(of)
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def _pixels(shade: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Brighter tiles by shade; the corner differs from the rest, whose mean makes up for it."""
    half = np.zeros((TILE_PX, TILE_PX))
    half[: TILE_PX // 2, : TILE_PX // 2] = 1.0
    half -= half.mean()
    grey = np.kron(shade.reshape(SIDE, SIDE), np.ones((TILE_PX, TILE_PX)))
    grey = 150 + 20 * grey + 60 * np.kron(corner.reshape(SIDE, SIDE), half)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)
