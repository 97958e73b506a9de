"""How strongly made images and real tiles excite targets, with tables and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

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
    best_of_directions: Float[np.ndarray, "K U"]
    """By the real tile that lies farthest in a random direction."""
    random_made: Float[np.ndarray, "R U"]
    """The same target in networks with random weights, by images made for it there."""
    random_read: Float[np.ndarray, "R U"]
    """The same target in these networks, by the image made for the trained one."""

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
        towards = "for random directions of the same layers, as the targets see it"
        statistic = (
            Number("made_activation", defined_mean(self.made), made),
            Number("best_real_activation", defined_mean(best), real),
            Number("above_real", _share_above(self.made, best), above),
        )
        shares = np.array([_share_above(one, best) for one in self.directions])
        networks = len(self.random_made)
        null = (
            next_random("made_activation", _means(self.directions), f"{made}, made {towards}"),
            next_random(
                "best_real_activation", _means(self.best_of_directions), f"{real}, {towards}"
            ),
            _of_shares("above_real", shares, f"{above}, made {towards}"),
            next_random(
                "made_activation_random_networks",
                _means(self.random_made),
                f"{made}, in {networks} networks with random weights, each with images of its own",
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
                "best_real_of_random_directions": self.best_of_directions.mean(axis=0),
                "random_networks_low": self.random_made.min(axis=0),
                "random_networks_high": self.random_made.max(axis=0),
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


def _of_shares(name: str, shares: Float[np.ndarray, " K"], words: str) -> Number:
    """Mean and range of shares: few are drawn, so the range is all that was drawn."""
    return Number(name, float(shares.mean()), words, float(shares.min()), float(shares.max()))


def _means(values: Float[np.ndarray, "K U"]) -> Float[np.ndarray, " K"]:
    return np.array([defined_mean(one) for one in values])


def _share_above(values: Float[np.ndarray, " U"], best: Float[np.ndarray, " U"]) -> float:
    return defined_mean(np.where(np.isnan(best), np.nan, values > best))
