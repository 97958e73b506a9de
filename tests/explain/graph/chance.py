"""`graph` of a network that was never trained, and of one whose edges are known."""

from collections.abc import Callable

import torch

from histoscribe.explain.run import explain
from histoscribe.models.base import Facts
from histoscribe.models.layers.graph_edges import Edges
from histoscribe.seed import integer
from tests.explain.alike import N_GENES, alike_cohort, is_outside, predictor_of, with_network
from tests.explain.planted_maps import CELLS, Linked, PlantedConfig, planted

N_EDGES = 40


class RandomLinks(Linked):
    """Every network has edges of its own between random cells, the same in every window."""

    name = "random-links"

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.ends = torch.randint(CELLS, (2, 2, N_EDGES))

    def graph_edges(self, image) -> tuple[Edges, Edges]:
        weight = torch.linspace(1.0, 0.1, N_EDGES).expand(len(image), -1)
        first, second = (
            Edges(*(ends.expand(len(image), -1) for ends in graph), weight) for graph in self.ends
        )
        return first, second


def _random_weights(seed: int) -> bool:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "random-links"))
        network = RandomLinks(Facts.plain(N_GENES), PlantedConfig())
    predictor = with_network(predictor_of("mlp"), network)
    finding = explain("graph", predictor, alike_cohort(seed))
    return is_outside(finding, "shared_first")


def _edges() -> None:
    """Edges that every random network has as well are told as such."""
    predictor = with_network(predictor_of("mlp"), planted(Linked, N_GENES))
    finding = explain("graph", predictor, alike_cohort(0))
    assert finding.number("self_loops_second").value == 1
    assert finding.chance("self_loops_second").value == 1


_WEIGHTS = (
    "it compares the edges with those of networks with random weights, and training on any values "
    "changes the weights"
)
NULLS: dict[str, Callable[[int], bool]] = {"random-weights": _random_weights}
PLANTED: dict[str, Callable[[], None]] = {"edges": _edges}
NOT_APPLICABLE: dict[str, str] = {"permuted-patients": _WEIGHTS, "null-family": _WEIGHTS}
