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
    file of the weights is missing.
    """
    network = network_of(predictor)
    name = network.initial_encoder(network.config)
    path = None if name is None else find_weights(name, predictor.weights, hub_files(name))
    if path is None:
        return None
    initial = random_networks(predictor, N_RANDOM + 1)[-1]  # no other comparison has these draws
    initial.start_from(path)
    return initial
