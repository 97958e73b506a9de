"""Networks whose maps and graphs are known."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.models.layers.graph_edges import Edges
from histoscribe.types import Output

SIDE = 4
"""Cells of the map and of the graph along one side of a tile."""
CELLS = SIDE**2


@dataclass(frozen=True, kw_only=True)
class PlantedConfig:
    """Whether there is a graph."""

    graph: bool = True


class Corners(ExpressionModel):
    """Channel 0 of its map is the darkness of the top left quarter, channel 1 that of the rest."""

    paper = "baseline"
    Config = PlantedConfig
    name = "corners"

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.reads = nn.Parameter(torch.randn(len(facts.target_mean), 2))
        corner = torch.zeros(SIDE, SIDE)
        corner[: SIDE // 2, : SIDE // 2] = 1.0
        self.register_buffer("corner", corner)

    def forward(self, image) -> Output:
        return Output(self.genes_of_map(self.class_map(image)))

    def represent(self, image) -> Float[Tensor, "B R"]:
        return self.class_map(image).mean(dim=(2, 3))

    def class_map(self, image) -> Float[Tensor, "B C h w"]:
        dark = 1.01 - functional.adaptive_avg_pool2d(image.float() / 255, SIDE).mean(dim=1)
        return torch.stack([dark * self.corner, dark * (1 - self.corner)], dim=1)

    def genes_of_map(self, class_map: Float[Tensor, "B C h w"]) -> Float[Tensor, "B G"]:
        return class_map.mean(dim=(2, 3)) @ self.reads.T


class Linked(Corners):
    """Both graphs have fixed edges: six, two of them self-loops; random networks have others."""

    name = "linked"

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.shift = int(torch.randint(1, CELLS, ()))

    def graph_edges(self, image) -> tuple[Edges, Edges]:
        n_images = len(image)
        source = torch.tensor([0, 0, 0, 5, 5, 9]).expand(n_images, -1)
        target = torch.tensor([0, 1, 15, 5, 1, 11]).expand(n_images, -1)
        weight = torch.tensor([0.9, 0.1, 0.4, 0.8, 0.3, 0.2]).expand(n_images, -1)
        first = Edges(source, (target + self.shift) % CELLS, weight)
        return first, Edges(source, source, weight)

    def graph_side(self) -> int | None:
        return SIDE if self.config.graph else None


def planted(model_class: type[Corners], n_genes: int, *, graph: bool = True) -> Corners:
    """A network whose even genes read channel 0 and whose odd genes read channel 1."""
    with torch.random.fork_rng(devices=[]):
        network = model_class(Facts.plain(n_genes), PlantedConfig(graph=graph))
    with torch.no_grad():
        network.reads.zero_()
        network.reads[0::2, 0] = 3.0
        network.reads[1::2, 1] = 3.0
    if isinstance(network, Linked):
        network.shift = 0
    return network.train()
