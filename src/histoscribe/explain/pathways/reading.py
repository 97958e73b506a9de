"""Scores and attention of pathways in one section, from one network."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.device import choose_device
from histoscribe.explain.random_networks import evaluation
from histoscribe.models.base import ExpressionModel
from histoscribe.models.evidence import PathwayModel
from histoscribe.models.layers.pathway_attention import AttentionMaps
from histoscribe.predictor.predictor import Predictor
from histoscribe.transfer import moved_batch
from histoscribe.types import Section

_LEAST_WEIGHT = 1e-30
"""Smallest attention weight whose logarithm is taken; smaller ones are rounded to zero."""


@final
@dataclass(frozen=True, eq=False)
class PathwayReading:
    """What a network gives for the pathways of one section, L layers."""

    scores: Float[np.ndarray, "N P"]
    """Scores of the prediction."""
    attention: Float[np.ndarray, "L N P"]
    """Logarithm of the weight of each spot for each pathway token, mean over heads; all zero where
    pathways do not read spots.
    """
    between: Float[np.ndarray, "L P P"]
    """Weight of each pathway token (last axis) for each other one, mean over heads."""

    @property
    def attention_map(self) -> Float[np.ndarray, "N P"]:
        """Mean of the layers."""
        return self.attention.mean(axis=0)


def read_pathways(
    predictor: Predictor, networks: Sequence[ExpressionModel], section: Section, cache: Path
) -> Iterator[PathwayReading]:
    """Read these networks, which all take the features of the predictor, on a section."""
    device = torch.device(choose_device(predictor.device))
    predictor.encoder.to(device)
    items = predictor.fitted.items(predictor.queries(section, cache), device)
    rows = np.arange(len(items))
    for network in networks:
        names = network.inputs(network.config)
        with evaluation(predictor, network) as place, torch.no_grad():
            inputs = moved_batch(items.inputs(names, rows), place)
            scores = network.represent(**inputs)[0]
            layers = _attention(network, inputs)
        yield PathwayReading(
            _array(scores),
            np.stack([_spot_attention(of) for of in layers]),
            np.stack([_array(of.pathway_to_pathway.mean(dim=0)) for of in layers]),
        )


def _attention(network: ExpressionModel, inputs: dict[str, Any]) -> list[AttentionMaps]:
    """The layers of the one section."""
    if not isinstance(network, PathwayModel):
        raise TypeError(f"{network.name} gives no attention of pathways")
    return [of_section for (of_section,) in network.attention(**inputs)]


def _spot_attention(maps: AttentionMaps) -> Float[np.ndarray, "N P"]:
    weight = _array(maps.pathway_to_spot.mean(dim=0)).T
    return np.log(np.maximum(weight, _LEAST_WEIGHT)) if weight.any() else np.zeros_like(weight)


def _array(values: torch.Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
