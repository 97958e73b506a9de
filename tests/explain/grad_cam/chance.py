"""`grad-cam` of a network that was never trained, and of one that reads a known region."""

from collections.abc import Callable

import torch
from torch import nn

from histoscribe.explain.run import explain
from histoscribe.models.base import ExpressionModel, Facts
from histoscribe.seed import integer
from histoscribe.types import Output
from tests.explain.alike import N_GENES, alike_cohort, is_outside, predictor_of, with_network
from tests.explain.planted_maps import SIDE, Corners, PlantedConfig, planted

GENES = ("G0", "G1", "G2", "G3")


class Convolutions(ExpressionModel):
    """Two layers of convolutions; genes are read off their last map."""

    name = "convolutions"
    paper = "baseline"
    Config = PlantedConfig

    def __init__(self, facts: Facts, config: PlantedConfig) -> None:
        super().__init__(facts, config)
        self.maps = nn.Sequential(
            *(nn.Conv2d(3, 8, 5, stride=2, padding=2), nn.ReLU()),
            *(nn.Conv2d(8, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(SIDE)),
        )
        self.head = nn.Linear(8, len(facts.target_mean))

    def forward(self, image) -> Output:
        return self.read(self.represent(image))

    def represent(self, image):
        return self.class_map(image).mean(dim=(2, 3))

    def class_map(self, image):
        return self.maps(image.float() / 128 - 1)

    def genes_of_map(self, class_map):
        return self.head(class_map.mean(dim=(2, 3)))


def _random_weights(seed: int) -> bool:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(seed, "convolutions"))
        network = Convolutions(Facts.plain(N_GENES), PlantedConfig())
    predictor = with_network(predictor_of("mlp"), network)
    finding = explain("grad-cam", predictor, alike_cohort(seed), genes=GENES)
    return is_outside(finding, "rank_correlation")


def _region() -> None:
    """Maps of the genes of one corner lie in it in every window, and those of others elsewhere."""
    predictor = with_network(predictor_of("mlp"), planted(Corners, N_GENES))
    finding = explain("grad-cam", predictor, alike_cohort(0), genes=("G0", "G2"))
    same = finding.chance("strongest_fifth_another_window").value
    assert same > 2 * finding.chance("strongest_fifth_shuffled").high
    assert same > 1.5 * finding.chance("strongest_fifth_another_gene").value


_WEIGHTS = (
    "it compares the map with those of networks with random weights, and training on any values "
    "changes the weights"
)
NULLS: dict[str, Callable[[int], bool]] = {"random-weights": _random_weights}
PLANTED: dict[str, Callable[[], None]] = {"region": _region}
NOT_APPLICABLE: dict[str, str] = {"permuted-patients": _WEIGHTS, "null-family": _WEIGHTS}
