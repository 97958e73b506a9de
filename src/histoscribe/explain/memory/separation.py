"""How well a value of spots tells permuted labels from true ones."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from histoscribe.explain.finding import Number
from histoscribe.explain.retraining.labels import n_permuted
from histoscribe.seed import stream
from histoscribe.types import SpotKeys

N_DRAWS = 999
"""Random draws of permuted spots that a separation is compared with."""


@final
@dataclass(frozen=True, eq=False)
class PermutedDraws:
    """Spots with permuted labels, and random spots instead of these.

    The probe drew the permuted spots of each section at random, so drawing them again says what a
    value reaches that has nothing to do with the exchange. This is no test of a map.
    """

    permuted: Bool[np.ndarray, " N"]
    draws: Bool[np.ndarray, "draws N"]

    @classmethod
    def again(
        cls, permuted: Bool[np.ndarray, " N"], keys: SpotKeys, share: float, seed: int
    ) -> "PermutedDraws":
        """Draw as many spots of each section again, with other draws than the probe's."""
        draws = np.zeros((N_DRAWS, len(keys)), dtype=bool)
        for name, _, rows in keys.by_section():
            n_drawn = n_permuted(len(rows), share)
            order = np.tile(np.arange(len(rows)) < n_drawn, (N_DRAWS, 1))
            rng = stream(seed, f"memory-chance-{name}")
            draws[:, rows] = rng.permuted(order, axis=1)
        return cls(permuted, draws)

    def separation(
        self, value: Float[np.ndarray, " N"], before: Float[np.ndarray, " N"] | None = None
    ) -> "Separation":
        """AUROC of a value for permuted labels, ties half; NaN where none is permuted.

        `before` is the same value before training. A network with random weights follows tissue, as
        labels do, so it can tell permuted labels a little without having learned anything: the
        draws then lie around its AUROC, as far as redrawn spots change the difference of both.
        """
        draws = _aurocs(rankdata(value), self.draws)
        if before is not None:
            learned = draws - _aurocs(rankdata(before), self.draws)
            draws = auroc(before, self.permuted) + learned
        return Separation(auroc(value, self.permuted), draws)


@final
@dataclass(frozen=True, eq=False)
class Separation:
    """AUROC of a value for permuted labels, and its values by chance."""

    auroc: float
    draws: Float[np.ndarray, " draws"]

    def number(self, name: str, meaning: str) -> tuple[Number, Number]:
        """The AUROC, and under the same name its range by chance."""
        by_chance = Number.of_draws(name, self.draws, f"{meaning}; without learning")
        return Number(name, self.auroc, meaning), by_chance


def auroc(value: Float[np.ndarray, " N"], permuted: Bool[np.ndarray, " N"]) -> float:
    """AUROC of a value for permuted labels, ties half; NaN where all labels are of one kind."""
    return float(_aurocs(rankdata(value), permuted[None])[0])


def roc_curve(
    value: Float[np.ndarray, " N"], permuted: Bool[np.ndarray, " N"]
) -> tuple[Float[np.ndarray, " points"], Float[np.ndarray, " points"]]:
    """ROC points: shares of true and permuted labels above falling values."""
    steps = np.unique(value)[::-1]
    curves = []
    for part in (value[~permuted], value[permuted]):
        below = np.searchsorted(np.sort(part), steps, side="left")
        curves.append(np.append(0.0, 1.0 - below / len(part)))
    return curves[0], curves[1]


def _aurocs(
    rank: Float[np.ndarray, " N"], drawn: Bool[np.ndarray, "draws N"]
) -> Float[np.ndarray, " draws"]:
    n_in = drawn.sum(axis=1).astype(np.float64)
    n_out = len(rank) - n_in
    with np.errstate(invalid="ignore", divide="ignore"):
        return (drawn @ rank - n_in * (n_in + 1) / 2) / (n_in * n_out)
