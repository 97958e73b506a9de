"""Errors of spots by their distance to the training tissue."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.robust.curves import ChangedSection, spread_of
from histoscribe.explain.surrogates import MapTest, correlation_test
from histoscribe.seed import integer

EDGES = (0.0, 0.5, 0.75, 1.0, 1.5, 2.0, np.inf)
"""Of the bins, in units within which 95 % of the training spots have a spot of another group."""
NAME = "distance_error"
_MEANING = (
    "correlation of a spot's distance to the training spots with its error (root of the mean over "
    "genes of squared errors, each in deviations of the gene), mean over sections and patients"
)
_SEED = 0  # of the surrogates; nobody needs another one


@final
class DistanceErrors:
    """Distance and error of every spot, without any change of its tile."""

    def __init__(self, sections: Sequence[ChangedSection]) -> None:
        """Take the genes that vary; a gene that a section lacks is left out there."""
        self._sections = sections
        self._deviation = spread_of([of.measured for of in sections])
        self.distance = [of.distance[0] for of in sections]
        self.error = [self._errors(of) for of in sections]

    @property
    def share_beyond(self) -> float:
        """Share of all spots farther from training than 95 % of the training spots; NaN unknown."""
        joined = np.concatenate(self.distance)
        return float((joined > 1).mean()) if np.isfinite(joined).all() else float("nan")

    def numbers(self) -> tuple[Number, Number]:
        """Correlation of distance and error, and the same of equally smooth random maps."""
        of_patient: dict[str, list[MapTest]] = {}
        for of, distance, error in zip(self._sections, self.distance, self.error, strict=True):
            if np.isfinite(distance).all() and np.isfinite(error).all():
                um = of.section.spots.xy * of.section.slide.mpp
                seed = integer(_SEED, f"robust-distance-{of.section.id}")
                test = correlation_test(distance, error, um, seed)
                of_patient.setdefault(of.patient, []).append(test)
        value = defined_mean(
            [defined_mean([one.value for one in of]) for of in of_patient.values()]
        )
        draws = [
            np.mean([one.draws for one in of if not np.isnan(one.value)], axis=0)
            for of in of_patient.values()
            if not all(np.isnan(one.value) for one in of)
        ]
        mean = np.mean(draws, axis=0) if draws else np.array([np.nan])
        by_chance = f"{_MEANING}; of equally smooth random maps"
        return Number(NAME, value, _MEANING), Number.of_draws(NAME, mean, by_chance)

    def table(self) -> pd.DataFrame:
        """One row for each patient and bin: spots, error, and spread of the prediction."""
        patients = np.concatenate(
            [np.full(len(of.rows), of.patient, dtype=object) for of in self._sections]
        )
        distance, error = np.concatenate(self.distance), np.concatenate(self.error)
        predicted = np.concatenate([of.before for of in self._sections]) / self._deviation
        place = np.searchsorted(EDGES, distance, side="right") - 1
        rows = []
        for patient in sorted(set(patients)):
            for number, (low, high) in enumerate(pairwise(EDGES)):
                inside = (patients == patient) & (place == number) & np.isfinite(distance)
                rows.append(
                    {
                        "patient": patient,
                        "distance_from": low,
                        "distance_to": high,
                        "n_spots": int(inside.sum()),
                        "error": defined_mean(error[inside]),
                        "spread": defined_mean(predicted[inside].std(axis=0))
                        if inside.any()
                        else np.nan,
                    }
                )
        return pd.DataFrame(rows)

    def _errors(self, of: ChangedSection) -> Float[np.ndarray, " n"]:
        """Error of each spot in deviations of the genes; NaN where no gene was measured."""
        squares = np.square((of.before - of.measured) / self._deviation)
        known = ~np.isnan(squares).any(axis=0)
        if not known.any():
            return np.full(len(squares), np.nan)
        return np.sqrt(squares[:, known].mean(axis=1))
