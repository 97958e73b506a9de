"""A network with a linear unit whose pattern is known."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from histoscribe.explain.layers.made_images import make_images
from histoscribe.explain.layers.unit_targets import parse_target, target_values
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Output
from tests.explain.alike import N_GENES, TILE_PX, predictor_of, with_network
from tests.explain.planted_maps import PlantedConfig

UNIT, N_UNITS = "network.filters:0", 32


class PatternNetwork(ExpressionModel):
    """Linear units of the pixels; all genes are read off them."""

    name = "pattern"
    paper = "baseline"
    Config = PlantedConfig

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.filters = nn.Linear(3 * TILE_PX**2, N_UNITS, bias=False)
        self.head = nn.Linear(N_UNITS, len(facts.target_mean))

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


def cosine(image, wave):
    """Of a wave and the image without its mean colour."""
    one = image.double() - image.double().mean(dim=(1, 2), keepdim=True)
    other = wave.double() - wave.double().mean(dim=(1, 2), keepdim=True)
    return float((one * other).sum() / (one.norm() * other.norm()))


def made(predictor, colours, n_steps):
    """The image that is made for the unit."""
    target = parse_target(UNIT)
    with target_values(predictor, [target]) as values:
        return make_images(
            [target.name], lambda views, _: values(views)[:, 0], colours, TILE_PX, n_steps
        )
