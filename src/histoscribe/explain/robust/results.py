"""Scores after every step beside those by chance, and the numbers of the answer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.robust.chance import RandomDirections, patient_scores
from histoscribe.explain.robust.changes import CHANGES, GRADIENT
from histoscribe.explain.robust.curves import ChangedPredictions, Curve
from histoscribe.explain.robust.distance import DistanceErrors

SCORE = "score"
_SCORE_MEANING = (
    "Pearson correlation with the measured values over the spots of a section, mean over genes, "
    "sections and patients"
)
_BY_CHANCE = "of the same predictions with directions drawn anew"


@final
@dataclass(frozen=True, eq=False)
class CurveScores:
    """Scores before and after the steps of one change; place 0 is before."""

    curve: Curve
    of_patients: dict[str, Float[np.ndarray, " steps_and_1"]]
    draws: Float[np.ndarray, "steps_and_1 draws"]
    """By chance; all NaN where no gene varies, and for a panel of few genes."""
    shifts: tuple[Float[np.ndarray, "n K"], ...]
    """Changes of the predictions after each step, in deviations of the gene."""

    @property
    def mean(self) -> Float[np.ndarray, " steps_and_1"]:
        """Mean over patients."""
        columns = np.stack(list(self.of_patients.values()))
        return np.array([defined_mean(column) for column in columns.T])

    @property
    def band(self) -> Float[np.ndarray, "2 steps_and_1"]:
        """Middle 95 % of the scores by chance."""
        return np.percentile(self.draws, [2.5, 97.5], axis=1)

    @property
    def half_at(self) -> float:
        """Step at which half of the score is lost, on a line between steps; NaN if it never is.

        NaN, too, for a score that is not above chance: there is nothing to lose.
        """
        mean, positions = self.mean, self.positions
        if not mean[0] > self.band[1, 0]:
            return float("nan")
        below = np.flatnonzero(mean <= mean[0] / 2)
        if not below.size:
            return float("nan")
        at = int(below[0])
        part = (mean[at - 1] - mean[0] / 2) / (mean[at - 1] - mean[at])
        return float(positions[at - 1] + part * (positions[at] - positions[at - 1]))

    @property
    def positions(self) -> Float[np.ndarray, " steps_and_1"]:
        """Steps; the first one is that of unchanged tiles."""
        return np.array([self.curve.change.without, *self.curve.steps])

    def drop(self) -> tuple[Number, Number]:
        """What the steps take from the score on average, and the same by chance."""
        curve = self.curve
        steps = ", ".join(f"{step:g}" for step in curve.steps)
        words = f"score lost, mean over the steps of {curve.name} ({steps}); negative if gained"
        mean = self.mean
        value = Number(f"drop_{_plain(curve.name)}", float(mean[0] - mean[1:].mean()), words)
        draws = self.draws[0] - self.draws[1:].mean(axis=0)
        return value, Number.of_draws(value.name, draws, f"{words}; {_BY_CHANCE}")


@final
@dataclass(frozen=True, eq=False)
class RobustResults:
    """Everything that tables and figures show."""

    predictions: ChangedPredictions
    genes: tuple[str, ...]
    labels: tuple[str, ...]
    scores: tuple[CurveScores, ...]
    unchanged: CurveScores
    """Of all spots as they are: a curve without steps."""
    distances: DistanceErrors

    def numbers(self) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
        """Numbers of the answer, and the same by chance."""
        pairs = [
            self._score(),
            *(of.drop() for of in self.scores),
            *self._pixel_changes(),
            self.distances.numbers(),
        ]
        return tuple(value for value, _ in pairs), tuple(chance for _, chance in pairs)

    def _score(self) -> tuple[Number, Number]:
        value = Number(SCORE, float(self.unchanged.mean[0]), _SCORE_MEANING)
        words = f"{_SCORE_MEANING}; {_BY_CHANCE}"
        return value, Number.of_draws(SCORE, self.unchanged.draws[0], words)

    def _pixel_changes(self) -> Iterator[tuple[Number, Number]]:
        for of in self.scores:
            if of.curve.name != GRADIENT:
                continue
            for step, shifts in zip(of.curve.steps, of.shifts, strict=True):
                meaning = (
                    f"mean change of a prediction, in deviations of the gene, after changes of at "
                    f"most {step:g} grey levels"
                )
                value = Number(
                    f"change_gradient_{step:g}", _mean(shifts), f"{meaning} along the gradient"
                )
                draws = self.predictions.noise[step]
                yield value, Number.of_draws(value.name, draws, f"{meaning} at random")


def results_of(
    predictions: ChangedPredictions, genes: Sequence[str], labels: Sequence[str]
) -> RobustResults:
    """Score unchanged sections, then those after every step."""
    panel = [of.panel_measured for of in predictions.unchanged]
    directions = RandomDirections(panel, predictions.unchanged[0].columns)
    deviation = predictions.deviation
    change = CHANGES[0]  # of a curve without steps, any will do
    return RobustResults(
        predictions=predictions,
        genes=tuple(genes),
        labels=tuple(labels),
        scores=tuple(_scored(curve, directions, deviation) for curve in predictions.curves),
        unchanged=_scored(Curve("", change, (), predictions.unchanged), directions, deviation),
        distances=DistanceErrors(predictions.unchanged),
    )


def _scored(
    curve: Curve, directions: RandomDirections, deviation: Float[np.ndarray, " K"]
) -> CurveScores:
    versions = [[of.panel_before for of in curve.sections]]
    versions += [
        [of.panel_after[step] for of in curve.sections] for step in range(len(curve.steps))
    ]
    scores = [patient_scores(curve.sections, predicted) for predicted in versions]
    return CurveScores(
        curve=curve,
        of_patients={patient: np.array([of[patient] for of in scores]) for patient in scores[0]},
        draws=np.stack([directions.scores(curve.sections, predicted) for predicted in versions]),
        shifts=tuple(curve.shifts(step, deviation) for step in range(len(curve.steps))),
    )


def _plain(name: str) -> str:
    return name.replace("-", "_")


def _mean(values: Float[np.ndarray, "n K"]) -> float:
    return defined_mean(values.ravel())
