"""Mean distance of attention by layer and head, of one network on tiles of a section."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from histoscribe.data.items.spots import places_um
from histoscribe.explain.layers.activations import SectionTiles, network_batches
from histoscribe.explain.layers.attention_places import TokenGeometry, mean_distance
from histoscribe.explain.layers.attention_taps import Attention, attention_tapped
from histoscribe.explain.random_networks import evaluation
from histoscribe.models.base import ExpressionModel
from histoscribe.predictor.predictor import Predictor
from histoscribe.types import Section


@final
@dataclass(frozen=True, eq=False)
class LayerAttention:
    """How far the heads of a layer read."""

    distance_um: Float[np.ndarray, " H"]
    """Mean distance from a token to the tokens that it reads, weighted by attention."""
    weight_on_places: Float[np.ndarray, " H"]
    """Share of the weight on tokens with a place; pathways and exemplars have none."""
    uniform_um: float
    """The distance if all tokens with a place had the same weight."""


Attended = Mapping[str, LayerAttention]
"""Layer -> how far its heads read, in the order in which the layers run."""


def attention_of(
    predictor: Predictor, network: ExpressionModel, section: Section, tiles: SectionTiles
) -> Attended:
    """Run a network of this predictor on tiles, and measure how far its attention reads.

    Queries are all places of a tile, or the spots of the tiles in a model of sections.
    """
    encoding = predictor.encoding
    geometry = TokenGeometry(
        network, encoding.tile_px, encoding.tile_px * encoding.mpp, places_um(section)
    )
    sums = _Sums(geometry, None if predictor.fitted.item == "spot" else tiles.rows)
    with evaluation(predictor, network) as device, torch.no_grad():
        for _, inputs in network_batches(predictor, network, tiles, device):
            with attention_tapped(network, sums.add):
                network(**inputs)
    return sums.means()


def mean_attended(parts: Sequence[Attended]) -> Attended:
    """Mean over sections, which count equally."""
    return {
        name: LayerAttention(
            np.mean([part[name].distance_um for part in parts], axis=0),
            np.mean([part[name].weight_on_places for part in parts], axis=0),
            float(np.mean([part[name].uniform_um for part in parts])),
        )
        for name in parts[0]
    }


@final
class _Sums:
    """Distances added up over batches."""

    def __init__(self, geometry: TokenGeometry, rows: np.ndarray | None) -> None:
        self._geometry, self._rows = geometry, rows
        self._distance: dict[str, list[torch.Tensor]] = {}
        self._weight: dict[str, list[torch.Tensor]] = {}
        self._uniform: dict[str, float] = {}

    def add(self, name: str, module: nn.Module, attention: Attention) -> None:
        """Measure one layer for a batch."""
        places = self._geometry.places(module, attention)
        if places is None:
            return
        n_places, n_keys = len(places.query_um), len(places.key_um)
        queries = torch.arange(n_places) if self._rows is None else torch.from_numpy(self._rows)
        keys = slice(places.first_key, places.first_key + n_keys)
        for some, weight in attention.rows(queries):
            on_places = weight[..., keys]
            distance = places.distance(some).to(weight)
            self._distance.setdefault(name, []).append(_by_head(mean_distance(on_places, distance)))
            self._weight.setdefault(name, []).append(_by_head(on_places.sum(dim=3)))
        self._uniform[name] = places.uniform(queries)

    def means(self) -> Attended:
        """Mean over all queries of all batches."""
        return {
            name: LayerAttention(
                torch.cat(parts).mean(dim=0).numpy(),
                torch.cat(self._weight[name]).mean(dim=0).numpy(),
                self._uniform[name],
            )
            for name, parts in self._distance.items()
        }


def _by_head(values: Float[torch.Tensor, "B H r"]) -> Float[torch.Tensor, "Br H"]:
    return values.transpose(1, 2).flatten(0, 1).double().cpu()
