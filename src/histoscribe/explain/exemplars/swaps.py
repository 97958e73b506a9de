"""How far a prediction leans on its exemplars: how much it changes when they are swapped.

To receive exemplars is not to use them. A model that ignores its exemplars receives them all the
same, and they may agree with its prediction, because they look like the spot. A swap shows whether
the model uses them.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.exemplars.selection import ExemplarSelection
from histoscribe.progress import track
from histoscribe.seed import stream

N_SWAPS = 5
"""Random draws that each change is averaged over; each predicts the whole section."""


@dataclass(frozen=True, eq=False)
class Leaning:
    """The prediction, and its mean absolute change over draws when a part of the input is swapped.

    All in the target's unit.
    """

    prediction: Float[np.ndarray, "N G"]
    """With nothing swapped."""
    exemplars: Float[np.ndarray, "N G"]
    """All exemplars swapped for random ones that the spot may have."""
    expression: Float[np.ndarray, "N G"] | None
    """Only the expression of the exemplars swapped, not their features. None for a model that
    sees only one of the two."""
    tissue: Float[np.ndarray, "N G"]
    """Tile and feature of the spot swapped for those of another spot of the section."""

    def in_deviations(self, change: Float[np.ndarray, "N G"]) -> Float[np.ndarray, " G"]:
        """Mean change over spots, in standard deviations of the prediction over spots.

        NaN where the prediction is constant and so has no scale.
        """
        deviation = self.prediction.std(axis=0, dtype=np.float64)
        deviation[np.ptp(self.prediction, axis=0) == 0] = np.nan
        return change.mean(axis=0, dtype=np.float64) / deviation

    @property
    def another_spot(self) -> Float[np.ndarray, " G"]:
        """Change in deviations if each spot had the prediction of another spot.

        The mean over all pairs of spots, exact. About 1.13 for values of a normal distribution.
        """
        n_spots = len(self.prediction)
        ordered = np.sort(self.prediction.astype(np.float64), axis=0)
        weight = 2.0 * np.arange(n_spots) - (n_spots - 1)
        pairs = n_spots * (n_spots - 1) / 2
        return self.in_deviations((weight @ ordered / max(pairs, 1))[None])


def leaning(selection: ExemplarSelection) -> Leaning:
    """Swap each part of what the model sees of a section, `N_SWAPS` times."""
    rows, every = selection.retrieved.rows, selection.every
    prediction = selection.predict(every, rows)
    random_rows = list(selection.random(N_SWAPS, "swap"))
    use = f"explain-look-{selection.queries.keys.sections[0]}"
    draws = [stream(selection.lookup.seed, f"{use}-{draw}") for draw in range(N_SWAPS)]
    others = [draw.permutation(every) for draw in draws]

    def change(predictions: Iterable[Float[np.ndarray, "N G"]]) -> Float[np.ndarray, "N G"]:
        total = np.zeros(prediction.shape)
        for swapped in track(predictions, "predicting with parts swapped", N_SWAPS):
            total += np.abs(swapped - prediction)
        return total / N_SWAPS

    both = {"exemplar_feature", "exemplar_target"} <= set(selection.fields)
    return Leaning(
        prediction=prediction,
        exemplars=change(selection.predict(every, random) for random in random_rows),
        expression=change(selection.predict(every, rows, random) for random in random_rows)
        if both
        else None,
        tissue=change(selection.predict(other, rows) for other in others),
    )


def change_of_each(
    selection: ExemplarSelection, spots: Int[np.ndarray, " n"], gene: int
) -> Float[np.ndarray, "n E"]:
    """How a prediction changes when one exemplar alone is swapped, mean over the draws.

    Signed: below 0 where the prediction falls without this exemplar.
    """
    rows = selection.retrieved.rows
    n_exemplars = rows.shape[1]
    one = np.eye(n_exemplars, dtype=bool)
    total = np.zeros((len(spots), n_exemplars))
    for random in selection.random(N_SWAPS, "swap-one"):
        with_one_swapped = np.where(one[None], random[spots, None], rows[spots, None])
        repeated = np.repeat(spots, n_exemplars)
        swapped = selection.predict(repeated, with_one_swapped.reshape(-1, n_exemplars))[:, gene]
        total += swapped.reshape(total.shape)
    unchanged = selection.predict(spots, rows[spots])[:, gene]
    return total / N_SWAPS - unchanged[:, None]
