"""Networks with random weights, to compare what a trained network shows with."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from histoscribe.device import choose_device
from histoscribe.models.base import Estimator, ExpressionModel, Facts
from histoscribe.precision import whole_convolutions
from histoscribe.predictor.predictor import Predictor
from histoscribe.seed import integer

N_RANDOM = 5
"""Randomly drawn networks that a trained one is compared with."""
_SEED = 0  # of the weights; nobody needs another one


def random_networks(
    predictor: Predictor, n_networks: int | None = None
) -> tuple[ExpressionModel, ...]:
    """Untrained networks with the settings of a predictor's network.

    Weights are drawn from named streams, even if training started from published ones. What
    the network holds of its training tiles, such as their mean colour, is the same. There are
    `N_RANDOM` of them unless the caller needs more.

    Raises TypeError for a model that is no network.
    """
    trained = predictor.model
    if isinstance(trained, Estimator):
        raise TypeError(f"{trained.name} is no network")
    facts = replace(
        Facts.plain(
            len(predictor.target.genes), predictor.card.n_features, predictor.encoding.tile_px
        ),
        counts=trained.counts,
        pathways=predictor.fitted.pathways,
    )
    draws = range(N_RANDOM if n_networks is None else n_networks)
    return tuple(_random(trained, facts, draw) for draw in draws)


@contextmanager
def evaluation(predictor: Predictor, network: ExpressionModel) -> Iterator[torch.device]:
    """Put a network into eval mode on the device of the predictor; its mode is restored."""
    device = torch.device(choose_device(predictor.device))
    was_training = network.training
    network.to(device).eval()
    try:
        with whole_convolutions(device):
            yield device
    finally:
        network.train(was_training)


def _random(trained: ExpressionModel, facts: Facts, draw: int) -> ExpressionModel:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(integer(_SEED, f"explain-random-network-{draw}"))
        network = type(trained)(facts, trained.config)
    learned = _learned_buffers(trained)
    for name, value in trained.named_buffers():
        if name not in learned:
            network.get_buffer(name).copy_(value)
    return network


def _learned_buffers(network: nn.Module) -> set[str]:
    """Running means and deviations of batch normalisation: they belong to the weights."""
    return {
        f"{name}.{buffer}"
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm)
        for buffer, _ in module.named_buffers(recurse=False)
    }
