"""A model trained again with fewer patients of one class, and its error on held-out ones."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy.stats import t

from histoscribe.device import choose_device
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.explain.retraining.spot_rows import fold_of, spots_of_patients
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.limits import ValueRange
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.train.run_data import RunData
from histoscribe.train.tables import section_queries
from histoscribe.types import Fold

CLASS, OTHERS = "class", "others"
_FIRST_LEVELS = (0, 1, 2)
_HELD_OUT = 1 / 3
"""Part of the patients of each side that is held out, at least one."""


@final
@dataclass(frozen=True)
class PatientDraw:
    """Patients of one draw."""

    draw: int
    in_order: tuple[str, ...]
    """Patients of the class for training; a level takes the first ones."""
    others: tuple[str, ...]
    """Other patients in training, at every level."""
    held_out: Mapping[str, tuple[str, ...]]
    """`class` and `others` -> held-out patients, the same at every level."""
    permuted: bool
    """Whether the class was drawn at random from all patients, for the chance level."""

    @property
    def levels(self) -> tuple[int, ...]:
        """Numbers of patients of the class in training; by chance the first and the last."""
        n = len(self.in_order)
        if self.permuted:
            return (0, n)
        return tuple(sorted({*(level for level in _FIRST_LEVELS if level <= n), n}))

    @property
    def tested(self) -> tuple[str, ...]:
        """All held-out patients."""
        return tuple(name for names in self.held_out.values() for name in names)


@final
@dataclass(frozen=True)
class ReducedTraining:
    """Errors of a training on the held-out patients of both sides."""

    division: PatientDraw
    n_in_training: int
    """Patients of the class in training."""
    error: Mapping[str, float]
    """Side -> squared error, in units of that of the mean label; mean over patients."""
    pcc: Mapping[str, float]
    """Side -> correlation, mean over genes, sections and patients."""


@final
@dataclass(frozen=True, eq=False)
class Reduction:
    """Trainings with 0, 1, 2 and all patients of a class, in several draws."""

    run_data: RunData
    of_patient: Mapping[str, str]
    """Class of each patient that has one; others are left out."""
    one: str
    """The class that is reduced."""
    n_draws: int

    @property
    def divisions(self) -> tuple[PatientDraw, ...]:
        """Patients of each draw; then the same with classes permuted over patients."""
        return tuple(
            self._division(draw, permuted=permuted)
            for permuted in (False, True)
            for draw in range(self.n_draws)
        )

    @property
    def first_fold(self) -> Fold:
        """Fold of the first draw with all patients of the class."""
        division = self.divisions[0]
        return _fold(self.run_data, division, len(division.in_order))

    def trainings(self) -> list[ReducedTraining]:
        """Train and measure, after saying how long it will take."""
        draws = [_Draw(self.run_data, division) for division in self.divisions]
        jobs = [(draw, level) for draw in draws for level in draw.division.levels]
        tell_estimate(f"{len(jobs)} trainings at most", len(jobs) * draws[0].whole.seconds())
        with closing(track(jobs, "trainings")) as tracked:
            return [draw.train(level) for draw, level in tracked]

    def _division(self, draw: int, *, permuted: bool) -> PatientDraw:
        seed, names = self.run_data.settings.seed, sorted(self.of_patient)
        classes = [self.of_patient[name] for name in names]
        if permuted:
            order = stream(seed, f"faults-permuted-{draw}").permutation(len(names))
            classes = [classes[at] for at in order]
        sides = {
            CLASS: [name for name, one in zip(names, classes, strict=True) if one == self.one],
            OTHERS: [name for name, one in zip(names, classes, strict=True) if one != self.one],
        }
        training, held_out = {}, {}
        for side, patients in sides.items():
            shuffled = stream(seed, f"faults-{side}-{draw}").permutation(patients).tolist()
            n_out = max(1, int(_HELD_OUT * len(patients)))
            held_out[side], training[side] = tuple(shuffled[:n_out]), tuple(shuffled[n_out:])
        return PatientDraw(draw, training[CLASS], training[OTHERS], held_out, permuted)


def _fold(run_data: RunData, division: PatientDraw, level: int) -> Fold:
    """Fold with so many patients of the class in training."""
    training = {*division.others, *division.in_order[:level]}
    return fold_of(
        run_data.cohort,
        spots_of_patients(run_data.cohort, training),
        spots_of_patients(run_data.cohort, division.tested),
    )


@dataclass(frozen=True, eq=False)
class _Draw:
    """What the trainings of one division share: panel, transform and held-out sections."""

    run_data: RunData
    division: PatientDraw

    @cached_property
    def whole(self) -> Retraining:
        """Training with every patient of the class; smaller trainings keep its panel."""
        return Retraining(
            self.run_data, _fold(self.run_data, self.division, len(self.division.in_order))
        )

    @cached_property
    def _measured(self) -> Mapping[str, Float[np.ndarray, "N G"]]:
        """Measured values of the held-out sections."""
        cohort = self.run_data.cohort
        return {
            name: self.whole.target.apply(cohort[name], rows).astype(np.float64)
            for name, rows in sorted(self.whole.fold.test.items())
        }

    @cached_property
    def _unit(self) -> float:
        """Squared error of the mean label with all patients, over all held-out spots."""
        mean = np.nanmean(self.whole.table.target, axis=0, dtype=np.float64)
        squares = [np.square(of - mean).ravel() for of in self._measured.values()]
        return float(np.nanmean(np.concatenate(squares)))

    def train(self, level: int) -> ReducedTraining:
        division, settings = self.division, self.run_data.settings
        fold = _fold(self.run_data, division, level)
        retraining = Retraining(self.run_data, fold, genes_of=self.whole.target)
        seeded = settings.model_copy(update={"seed": settings.seed + division.draw})
        of_section = self._errors(retraining, retraining.fit(settings=seeded))
        error: dict[str, float] = {}
        pcc: dict[str, float] = {}
        for side, patients in division.held_out.items():
            parts = [self._of_patient(name, of_section) for name in patients]
            error[side] = float(np.mean([each for each, _ in parts])) / self._unit
            pcc[side] = defined_mean([each for _, each in parts])
        return ReducedTraining(division, level, error, pcc)

    def _errors(self, retraining: Retraining, fitted: Fitted) -> Mapping[str, tuple[float, float]]:
        """Squared error and correlation of each held-out section."""
        device = torch.device(choose_device(self.run_data.settings.run.device))
        limits = ValueRange.of(retraining.table.target)
        errors = {}
        for name, measured in self._measured.items():
            queries = section_queries(self.run_data, retraining.row, name, retraining.fold)
            predicted = limits.clip(fitted.predict(queries, device).values.astype(np.float64))
            pcc = defined_mean(pearson_per_gene(predicted, measured))
            errors[name] = (float(np.nanmean(np.square(predicted - measured))), pcc)
        return errors

    def _of_patient(
        self, patient: str, of_section: Mapping[str, tuple[float, float]]
    ) -> tuple[float, float]:
        patients = self.run_data.cohort.patients
        parts = [each for id_, each in of_section.items() if patients[id_] == patient]
        return float(np.mean([each for each, _ in parts])), defined_mean([pcc for _, pcc in parts])


def falls(
    trainings: Sequence[ReducedTraining], side: str, *, permuted: bool
) -> Float[np.ndarray, " draws"]:
    """Error without patients of the class minus error with all, draw by draw."""
    by_draw: dict[int, dict[int, float]] = {}
    for training in trainings:
        if training.division.permuted == permuted:
            of_draw = by_draw.setdefault(training.division.draw, {})
            of_draw[training.n_in_training] = training.error[side]
    return np.array([of[min(of)] - of[max(of)] for _, of in sorted(by_draw.items())])


def mean_with_interval(name: str, values: Float[np.ndarray, " draws"], meaning: str) -> Number:
    """Mean over draws, with its 95 % interval by Student's t."""
    return _with_reach(name, values, meaning, 1 / np.sqrt(len(values)))


def mean_with_range(name: str, values: Float[np.ndarray, " draws"], meaning: str) -> Number:
    """Mean over draws, with the range of 95 % of further draws by Student's t.

    Wider than the interval of the mean: draws of one class share patients, and those by chance do
    not.
    """
    return _with_reach(name, values, meaning, np.sqrt(1 + 1 / len(values)))


def _with_reach(
    name: str, values: Float[np.ndarray, " draws"], meaning: str, deviations: float
) -> Number:
    mean = float(values.mean())
    reach = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) * deviations)
    return Number(name, mean, meaning, mean - reach, mean + reach)
