"""What a prediction leans on: how far it moves when a part of what the model sees is swapped.

Being shown something is no reason: a model that ignores its exemplars is shown them all the same,
and they may well agree with its prediction, for they look like the spot. Only swapping tells.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.exemplars.selection import ExemplarSelection
from histoscribe.progress import track
from histoscribe.seed import stream

N_SWAPS = 5
"""Draws that a change is the mean of; each is a prediction of the whole section."""


@dataclass(frozen=True, eq=False)
class Leaning:
    """Mean absolute change of each prediction over the draws, in the target's unit."""

    values: Float[np.ndarray, "N G"]
    """The prediction itself, nothing swapped."""
    exemplars: Float[np.ndarray, "N G"]
    """Exemplars swapped for random ones that the spot may see."""
    expression: Float[np.ndarray, "N G"] | None
    """Exemplars bring the expression of random ones and keep their look; None for a model that
    sees only one of the two."""
    own_look: Float[np.ndarray, "N G"]
    """Tile and feature of the spot swapped for those of another spot of the section."""

    def in_deviations(self, change: Float[np.ndarray, "N G"]) -> Float[np.ndarray, " G"]:
        """Mean change over spots, in standard deviations of the prediction over spots.

        NaN where the prediction is constant, for then it has no scale of its own.
        """
        deviation = self.values.std(axis=0, dtype=np.float64)
        deviation[np.ptp(self.values, axis=0) == 0] = np.nan
        return change.mean(axis=0, dtype=np.float64) / deviation

    @property
    def another_spot(self) -> Float[np.ndarray, " G"]:
        """The change, in deviations, had each spot the prediction of another of the section.

        About 1.13 for values of a normal distribution. Mean over all pairs, exact.
        """
        n_spots = len(self.values)
        ordered = np.sort(self.values.astype(np.float64), axis=0)
        weight = 2.0 * np.arange(n_spots) - (n_spots - 1)
        pairs = n_spots * (n_spots - 1) / 2
        return self.in_deviations((weight @ ordered / max(pairs, 1))[None])


def leaning(shown: ExemplarSelection) -> Leaning:
    """Swap each part of what the model sees of a section, a few times over."""
    own, every = shown.found.rows, shown.every
    values = shown.predict(every, own)
    drawn = list(shown.random(N_SWAPS, "swap"))
    use = f"explain-look-{shown.queries.section[0]}"
    draws = [stream(shown.lookup.seed, f"{use}-{draw}") for draw in range(N_SWAPS)]
    looks = [draw.permutation(every) for draw in draws]

    def moved(predictions: Iterable[Float[np.ndarray, "N G"]]) -> Float[np.ndarray, "N G"]:
        total = np.zeros(values.shape)
        for prediction in track(predictions, "predicting with parts swapped", N_SWAPS):
            total += np.abs(prediction - values)
        return total / N_SWAPS

    both = {"exemplar_feature", "exemplar_target"} <= set(shown.fields)
    return Leaning(
        values=values,
        exemplars=moved(shown.predict(every, rows) for rows in drawn),
        expression=moved(shown.predict(every, own, rows) for rows in drawn) if both else None,
        own_look=moved(shown.predict(look, own) for look in looks),
    )


def change_of_each(
    shown: ExemplarSelection, spots: Int[np.ndarray, " n"], gene: int
) -> Float[np.ndarray, "n E"]:
    """How a prediction changes when one exemplar alone is swapped, mean over the draws.

    Signed: below 0 where the prediction falls without this exemplar.
    """
    own = shown.found.rows
    n_exemplars = own.shape[1]
    one = np.eye(n_exemplars, dtype=bool)
    change = np.zeros((len(spots), n_exemplars))
    for drawn in shown.random(N_SWAPS, "swap-one"):
        rows = np.where(one[None], drawn[spots, None], own[spots, None])
        look = np.repeat(spots, n_exemplars)
        swapped = shown.predict(look, rows.reshape(-1, n_exemplars))[:, gene]
        change += swapped.reshape(change.shape)
    kept = shown.predict(spots, own[spots])[:, gene]
    return change / N_SWAPS - kept[:, None]
