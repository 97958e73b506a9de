"""A network with a linear unit whose pattern is known."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Output
from tests.explain.alike import N_GENES, TILE_PX, predictor_of, with_network
from tests.explain.planted_maps import PlantedConfig

UNIT = "network.filters:0"


class PatternNetwork(ExpressionModel):
    """Two linear units of the pixels; all genes are read off them."""

    name = "pattern"
    paper = "baseline"
    Config = PlantedConfig

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.filters = nn.Linear(3 * TILE_PX**2, 2, bias=False)
        self.head = nn.Linear(2, len(facts.target_mean))

    def represent(self, image):
        return self.filters(image.float().flatten(1) / 255)

    def forward(self, image) -> Output:
        return Output(self.head(self.represent(image)))


def pattern() -> Float[Tensor, "3 P P"]:
    """A wave across the tile; its mean is zero."""
    rows, columns = np.indices((TILE_PX, TILE_PX))
    wave = np.cos(2 * np.pi * (rows + columns / 2) / TILE_PX)
    colours = np.array([0.1, 0.08, 0.06])[:, None, None]
    coloured = colours * wave
    return torch.tensor(coloured - coloured.mean(), dtype=torch.float32)


def pattern_predictor() -> Predictor:
    """A predictor whose unit 0 is the pattern."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = PatternNetwork(Facts.plain(N_GENES), PlantedConfig())
    with torch.no_grad():
        network.filters.weight[0] = pattern().flatten()
    return with_network(predictor_of("mlp"), network)
