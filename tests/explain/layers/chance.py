"""What the question `layers` finds where there is nothing, and where layers were planted."""

from collections.abc import Callable

import torch

from histoscribe.explain.finding import Finding
from histoscribe.explain.run import explain
from histoscribe.predictor.predictor import Predictor
from tests.explain.alike import alike_cohort, is_outside, predictor_of, random_mlp, with_network


def ask(*predictors: Predictor, seed: int = 0, **settings) -> Finding:
    """Put the question for sections whose spots differ in colour."""
    return explain("layers", predictors, alike_cohort(seed), **settings)


def random_predictor(seed: int) -> Predictor:
    """An untrained network of features."""
    return with_network(predictor_of("mlp"), random_mlp(seed))


def turned(predictor: Predictor) -> Predictor:
    """The same network, its hidden units in another order."""
    network = random_mlp(0)
    network.load_state_dict(predictor.model.state_dict())
    order = torch.arange(15, -1, -1)
    with torch.no_grad():
        network.hidden[0].weight.copy_(network.hidden[0].weight[order])
        network.hidden[0].bias.copy_(network.hidden[0].bias[order])
    return with_network(predictor, network)


def random_weights(seed: int) -> bool:
    """An untrained network is as like random networks as these are like each other."""
    return is_outside(ask(random_predictor(seed), seed=seed), "cka_to_random")


def same_layers() -> None:
    """The layers of two networks are the same but for the order of their units."""
    first = random_predictor(1)
    finding = ask(first, turned(first), layers=["network.hidden.0", "network.hidden"])
    assert finding.number("cka_of_predictors").value > 1 - 1e-9
    assert is_outside(finding, "cka_of_predictors")


NULLS: dict[str, Callable[[int], bool]] = {"random-weights": random_weights}
PLANTED: dict[str, Callable[[], None]] = {"same layers": same_layers}
NOT_APPLICABLE: dict[str, str] = {
    "permuted-patients": "similarity and attention read no labels of the sections that are asked "
    "about, and a network that was trained on permuted labels has learned something",
    "null-family": "similarity and attention read no labels of the sections that are asked about, "
    "and a network that was trained on noise has learned something",
}
