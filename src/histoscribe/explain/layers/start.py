"""Initial weights: a predictor's network before its training."""

from histoscribe.encoders.catalog import hub_files
from histoscribe.explain.layers.activations import network_of
from histoscribe.explain.random_networks import N_RANDOM, random_networks
from histoscribe.io.weights import find_weights
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.predictor import Predictor


def initial_network(predictor: Predictor) -> ExpressionModel | None:
    """The network before training, with published weights; None for a start from random ones.

    Layers that the published weights lack, such as the last, are drawn anew. None, too, where the
    file of the weights is missing: see `missing_start`.
    """
    name = _initial_encoder(predictor)
    path = None if name is None else find_weights(name, predictor.weights, hub_files(name))
    if path is None:
        return None
    initial = random_networks(predictor, N_RANDOM + 1)[-1]  # no other comparison has these draws
    initial.start_from(path)
    return initial


def missing_start(predictor: Predictor) -> str | None:
    """Encoder whose weights training started from, where their file is missing; else None."""
    name = _initial_encoder(predictor)
    if name is None or find_weights(name, predictor.weights, hub_files(name)) is not None:
        return None
    return name


def _initial_encoder(predictor: Predictor) -> str | None:
    network = network_of(predictor)
    return network.initial_encoder(network.config)
