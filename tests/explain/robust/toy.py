"""Predictors that read colour only, and networks on pixels whose weakness is known."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
from torch import nn

import histoscribe as hs
from histoscribe.explain.random_networks import random_networks
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import stream
from histoscribe.types import Cohort, CohortEntry, Output, Section
from tests.explain.concepts.painted import FILLERS, GENES, TILE_PX, painted_section, smooth_maps

COLOUR = ("BLUE", "PINK", "PALE")
"""Genes that follow the colour of a spot."""
N_TRAINING = 3


@dataclass(frozen=True, kw_only=True)
class NoConfig:
    """A network without settings."""


class LinearPixels(ExpressionModel):
    """Each gene is a weighted sum of the pixels of a tile."""

    paper = "baseline"
    Config = NoConfig
    name = "linear-pixels"

    def __init__(self, facts: Facts, config: NoConfig) -> None:
        super().__init__(facts, config)
        self.weights = nn.Parameter(torch.zeros(len(facts.target_mean), 3, TILE_PX, TILE_PX))

    def represent(self, image):
        return image.float().mean(dim=(2, 3))

    def forward(self, image) -> Output:
        return Output(torch.einsum("bchw,gchw->bg", image.float(), self.weights))


class NoPixels(LinearPixels):
    """Gives one value to every tile."""

    name = "no-pixels"

    def forward(self, image) -> Output:
        value = self.weights.sum(dim=(1, 2, 3)) + 1.0
        return Output(value + 0 * image.float().mean(dim=(1, 2, 3))[:, None])


def training_cohort(seed: int, *, permuted: bool = False, visible: bool = True) -> Cohort:
    """Painted patients; permuted, each has the genes of the next one; else not visible at all."""
    maps = [
        None if visible else smooth_maps(stream(seed, f"unseen {n}")) for n in range(N_TRAINING)
    ]
    sections = [painted_section(f"Old{n}", seed, expressed=maps[n]) for n in range(N_TRAINING)]
    if permuted:
        counts = [of.counts for of in sections]
        sections = [
            replace(of, counts=counts[(n + 1) % N_TRAINING]) for n, of in enumerate(sections)
        ]
    return cohort_of(sections)


def cohort_of(sections: list[Section]) -> Cohort:
    """A cohort of sections in memory."""
    return Cohort([CohortEntry(of.id, of.patient, lambda of=of: of) for of in sections])


def trained(cohort: Cohort, model: str = "ridge") -> Predictor:
    """A model of the mean colour."""
    settings = {"mlp": {"preset": "tiny"}} if model == "mlp" else {}
    return hs.train(
        cohort,
        {model: settings.get(model, {})},
        inputs={
            "encoder": "mean_colour",
            "tile_px": TILE_PX,
            "mpp": 1.0,
            "white_off_tissue": False,
        },
        target={"transform": "log1p", "n_genes": len(GENES) + FILLERS},
        train={"epochs": 1} if model == "mlp" else {},
        run={"device": "cpu"},
    )


@cache
def template(model: str = "mlp") -> Predictor:
    """Trained once, for tests that put other networks into it."""
    return trained(training_cohort(0), model)


def random_predictor(seed: int) -> Predictor:
    """A network with random weights."""
    return with_network(template(), random_networks(template(), seed + 1)[seed])


def pixel_predictor(
    model_class: type[LinearPixels], weights: np.ndarray | None = None
) -> Predictor:
    """A predictor with such a network; `weights` [G, 3, P, P] are those of all genes."""
    facts = Facts.plain(len(template().target.genes), template().card.n_features, TILE_PX)
    network = model_class(facts, NoConfig())
    if weights is not None:
        with torch.no_grad():
            network.weights.copy_(torch.from_numpy(weights))
    return with_network(template(), network)


def with_network(predictor: Predictor, network: ExpressionModel) -> Predictor:
    """The same predictor with another network."""
    return replace(predictor, fitted=Fitted(network.eval()), _encoder=predictor.encoder)
