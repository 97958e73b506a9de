"""Distance of attention with its values by chance: numbers, table and figure."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.finding import Number
from histoscribe.explain.layers.attention_distance import Attended
from histoscribe.explain.layers.random_range import next_random
from histoscribe.plot.head_dots import DotText, HeadDots, draw_head_dots

_LOCAL = 0.5
"""A head is local below this share of the distance of uniform attention."""


@final
@dataclass(frozen=True, eq=False)
class AttentionResults:
    """Attention of a network, of random ones, and of trainings on a part of the spots."""

    layers: tuple[str, ...]
    trained: Attended
    random: tuple[Attended, ...]
    by_share: Mapping[str, Attended]
    """Empty without further trainings."""

    @property
    def least_weight_on_places(self) -> float:
        """Least share of a head's weight on tokens with places, 0..1."""
        return min(float(self.trained[name].weight_on_places.min()) for name in self.layers)

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Distance and share of local heads, each by chance; then uniform attention."""
        meaning = "mean distance that attention reads over, um; mean over layers and heads"
        named = {"attention_distance_um": (self.trained, meaning)}
        for share, attended in self.by_share.items():
            words = f"the same, trained again on {share} of the spots of the training sections"
            named[f"attention_distance_{share.split()[-1]}_um"] = (attended, words)
        drawn = np.array([self._distance(of) for of in self.random])
        statistic = [Number(name, self._distance(of), why) for name, (of, why) in named.items()]
        null = [next_random(name, drawn, "the same of random networks") for name in named]
        drawn = np.array([self._local_share(of) for of in self.random])
        words = f"share of heads that read less than {_LOCAL:g} of the distance of uniform weights"
        statistic.append(Number("local_heads", self._local_share(self.trained), words))
        null.append(next_random("local_heads", drawn, "the same of random networks"))
        uniform = float(np.mean([self.trained[name].uniform_um for name in self.layers]))
        null.append(
            Number("uniform_distance_um", uniform, "the distance if all tokens had one weight, um")
        )
        return tuple(statistic), tuple(null)

    def table(self) -> pd.DataFrame:
        """A row for each head of each layer and network."""
        networks = {"trained": self.trained, **self.by_share}
        low, high = self._layer_range()
        rows = [
            {
                "network": name,
                "layer": layer,
                "head": head,
                "distance_um": attended[layer].distance_um[head],
                "weight_on_places": attended[layer].weight_on_places[head],
                "uniform_um": attended[layer].uniform_um,
                "random_layer_low_um": low[at],
                "random_layer_high_um": high[at],
            }
            for name, attended in networks.items()
            for at, layer in enumerate(self.layers)
            for head in range(len(attended[layer].distance_um))
        ]
        return pd.DataFrame(rows)

    def draw(self, predictor: str, path: Path) -> None:
        """Draw the distance of every head over the layers."""
        low, high = self._layer_range()
        groups = {predictor: self.trained}
        groups |= {f"trained again on {name}": of for name, of in self.by_share.items()}
        draw_head_dots(
            [
                HeadDots(name, tuple(of[layer].distance_um for layer in self.layers))
                for name, of in groups.items()
            ],
            DotText(
                f"How far does the attention of {predictor} read?",
                "mean distance, µm",
                self.layers,
                "Each dot is a head, the line the mean of the layer. Grey: where the mean of the "
                "layer of one more random network would lie in 95 %. Bar: the distance if every "
                "token had the same weight. From the pixels (top) to the genes.",
            ),
            low,
            high,
            np.array([self.trained[layer].uniform_um for layer in self.layers]),
            path,
        )

    def _layer_range(self) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"]]:
        """Range of the mean over heads in one more random network, by layer."""
        drawn = [[of[layer].distance_um.mean() for layer in self.layers] for of in self.random]
        ranges = [next_random("", of_layer, "") for of_layer in np.array(drawn).T]
        ends = [(np.nan, np.nan) if of.low is None else (of.low, of.high) for of in ranges]
        low, high = np.array(ends, dtype=np.float64).T
        return low, high

    def _distance(self, attended: Attended) -> float:
        return float(np.mean([attended[name].distance_um.mean() for name in self.layers]))

    def _local_share(self, attended: Attended) -> float:
        near = [
            attended[name].distance_um < _LOCAL * attended[name].uniform_um for name in self.layers
        ]
        return float(np.mean(np.concatenate(near)))
