"""How strongly made images and real tiles excite targets, with tables and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.layers.random_range import next_random
from histoscribe.explain.layers.unit_targets import UnitTarget
from histoscribe.ties import best_first


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class UnitResults:
    """Activations in deviations over the real tiles of the network that reads them.

    NaN for a target that does not vary over these tiles.
    """

    targets: tuple[UnitTarget, ...]
    real: Float[np.ndarray, "n U"]
    """Activation by real tiles, as it is."""
    made: Float[np.ndarray, " U"]
    """By the image made for the target."""
    directions: Float[np.ndarray, "K U"]
    """By images made for random directions of the same layer."""
    random_made: Float[np.ndarray, "R U"]
    """Of the targets of networks with random weights, by images made for them there."""
    random_best: Float[np.ndarray, "R U"]
    """The same by the real tile that excites each most."""
    random_read: Float[np.ndarray, "R U"]
    """The same by the images made for the trained network."""

    @cached_property
    def deviations(self) -> Float[np.ndarray, "n U"]:
        """Activation by real tiles."""
        return in_deviations(self.real, self.real)

    def order(self, target: int) -> Int[np.ndarray, " n"]:
        """Real tiles, the most exciting one first."""
        return best_first(self.deviations[:, target])

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Mean over targets of each measure, and by chance; then values of random networks."""
        best = self.deviations.max(axis=0)
        made = "activation by the made image, in deviations over real tiles, mean over targets"
        real = "the same of the real tile that excites each target most"
        above = "share of the targets that the made image excites more than every real tile"
        by_chance = f"in {len(self.random_made)} networks with random weights, each with images"
        statistic = (
            Number("made_activation", defined_mean(self.made), made),
            Number("best_real_activation", defined_mean(best), real),
            Number("above_real", _share_above(self.made, best), above),
        )
        null = (
            next_random(
                "made_activation", _means(self.random_made), f"{made}, {by_chance} of its own"
            ),
            next_random(
                "best_real_activation",
                _means(self.random_best),
                f"{real}, in networks with random weights",
            ),
            _next_share(
                "above_real", self.random_made, self.random_best, f"{above}, {by_chance} of its own"
            ),
            next_random(
                "made_activation_random_directions",
                _means(self.directions),
                f"{made}, made for random directions of the same layers, as the targets see it",
            ),
            next_random(
                "made_activation_read_by_random_networks",
                _means(self.random_read),
                f"{made}, made for the trained network, in networks with random weights",
            ),
        )
        return statistic, null

    def table(self, tiles: Sequence[tuple[str, str]]) -> pd.DataFrame:
        """One line for each target; `tiles` has section and spot of each real tile."""
        best = [int(self.order(at)[0]) for at in range(len(self.targets))]
        return pd.DataFrame(
            {
                "target": [target.name for target in self.targets],
                "real_mean": self.real.mean(axis=0),
                "real_deviation": self.real.std(axis=0),
                "made": self.made,
                "best_real": self.deviations.max(axis=0),
                "least_real": self.deviations.min(axis=0),
                "best_section": [tiles[row][0] for row in best],
                "best_spot": [tiles[row][1] for row in best],
                "made_for_random_directions": self.directions.mean(axis=0),
                "random_networks_low": self.random_made.min(axis=0),
                "random_networks_high": self.random_made.max(axis=0),
                "best_real_in_random_networks": self.random_best.mean(axis=0),
                "made_read_by_random_networks": self.random_read.mean(axis=0),
            }
        )


def in_deviations(
    values: Float[np.ndarray, "*n U"], real: Float[np.ndarray, "m U"]
) -> Float[np.ndarray, "*n U"]:
    """Values as distances from the mean of real tiles, in their deviations; NaN for constants."""
    spread = real.std(axis=0)
    constant = spread <= 1e-9 * np.abs(real).max(axis=0)
    return (values - real.mean(axis=0)) / np.where(constant, np.nan, spread)


def _next_share(
    name: str, made: Float[np.ndarray, "R U"], best: Float[np.ndarray, "R U"], words: str
) -> Number:
    """Mean over random networks of the share above the best, with the range of one more network.

    Few shares are drawn and they are often all 1, so the range is no narrower than that of as many
    targets drawn one by one (beta-binomial, with the prior of Jeffreys).
    """
    shares = np.array([_share_above(*of) for of in zip(made, best, strict=True)])
    drawn = next_random(name, shares, words)
    if drawn.low is None or drawn.high is None:
        return drawn
    n, of_all = made.shape[1], made.size
    above = drawn.value * of_all
    low, high = stats.betabinom(n, 0.5 + above, 0.5 + of_all - above).interval(0.95)
    low, high = max(min(drawn.low, low / n), 0.0), min(max(drawn.high, high / n), 1.0)
    return Number(name, drawn.value, words, float(low), float(high))


def _means(values: Float[np.ndarray, "K U"]) -> Float[np.ndarray, " K"]:
    return np.array([defined_mean(one) for one in values])


def _share_above(values: Float[np.ndarray, " U"], best: Float[np.ndarray, " U"]) -> float:
    return defined_mean(np.where(np.isnan(best), np.nan, values > best))
