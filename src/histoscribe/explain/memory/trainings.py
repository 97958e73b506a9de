"""The model of a predictor trained again, with the loss of each spot after each epoch."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.data.fold_settings import FoldSettings
from histoscribe.data.folds import make_folds, whole_fold
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.retraining.labels import (
    FEWEST_PATIENTS,
    Exchange,
    permuted_in_sections,
    permuted_over_patients,
)
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.predictor.encoding import WeightFiles
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.progress import tell
from histoscribe.train.fit import fit_recorded
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.train.tables import fit_and_val_rows
from histoscribe.types import Cohort, Fold, SpotTable

PROBE, MEASURED, MADE_UP = "probe", "measured", "made-up"
"""Trainings by name: labels permuted in sections, as measured, and permuted over patients."""
_LEAST = 1e-12
"""Least squared distance of a label from the mean label, so that no loss is divided by zero."""


@final
@dataclass(frozen=True, eq=False)
class RecordedTraining:
    """A finished training with recorded losses."""

    fitted: Fitted
    rows: Int[np.ndarray, " n"]
    """Row of each spot in the training table."""
    losses: Float[np.ndarray, "records n"]
    """Squared error of its label, mean over genes: before training, and after each epoch."""
    distance: Float[np.ndarray, " n"]
    """The same of the mean label instead of a prediction."""

    @property
    def best_epoch(self) -> int:
        """Epoch with the best score on inner patients, from 1."""
        return int(self.fitted.model.choice["epoch"])

    @property
    def scores(self) -> tuple[str, list[float]]:
        """Kind and values of the score on inner patients after each epoch; NaN if undefined."""
        ((name, known),) = [
            (name, values)
            for name, values in self.fitted.model.choice.items()
            if name.startswith("inner_")
        ]
        return name, [np.nan if score is None else score for score in known]

    @property
    def relative_losses(self) -> Float[np.ndarray, "records n"]:
        """Losses in units of that of the mean label: what training left of them."""
        return self.losses / np.maximum(self.distance, _LEAST)

    @property
    def loss(self) -> Float[np.ndarray, " n"]:
        """Mean loss over the epochs up to the best."""
        return self.losses[1 : self.best_epoch + 1].mean(axis=0)

    @property
    def relative_loss(self) -> Float[np.ndarray, " n"]:
        """Mean relative loss over the epochs up to the best."""
        return self.relative_losses[1 : self.best_epoch + 1].mean(axis=0)


@final
@dataclass(frozen=True, eq=False)
class MemoryTrainings:
    """Everything that the trainings share: data, fold and settings."""

    retraining: Retraining
    """Its fold has all patients, or all but the first where there are at least three."""

    @classmethod
    def plan(
        cls, cohort: Cohort, settings: RunSettings, weights: WeightFiles, cache: Path
    ) -> "MemoryTrainings":
        """Choose the fold, and check everything before the long work.

        Raises
        ------
        DataContractError
            as a training does, and for too few spots to hold some out for the epoch.
        """
        if len(set(cohort.patients.values())) > FEWEST_PATIENTS:
            fold = make_folds(cohort, FoldSettings(), settings.seed)[0]
        else:
            fold = whole_fold(cohort, settings.seed)
        if not fold.inner:
            raise DataContractError(
                Problem(
                    where="the cohort",
                    found="too few spots to hold some out, on which the epoch is chosen",
                    expected="two patients, two sections, or 25 spots",
                    remedy="give more sections",
                )
            )
        run_data = RunData(settings, cohort, weights, cache)
        run_data.check([fold])
        return cls(Retraining(run_data, fold))

    @property
    def run_data(self) -> RunData:
        """Cohort and settings."""
        return self.retraining.run_data

    @property
    def fold(self) -> Fold:
        """Training spots and those of the held-out patient."""
        return self.retraining.fold

    @property
    def target(self) -> Target:
        """Panel and transform of the training spots."""
        return self.retraining.target

    @property
    def table(self) -> SpotTable:
        """Training spots with their measured labels."""
        return self.retraining.table

    @cached_property
    def mean_counts(self) -> Float[np.ndarray, " N"]:
        """Mean count of each training spot over the genes of the panel that its section has."""
        cohort, target = self.run_data.cohort, self.target
        return np.concatenate(
            [
                np.nanmean(target.panel_counts(cohort[section], rows).counts, axis=1)
                for section, rows in sorted(self.fold.train.items())
            ]
        )

    def exchanges(self, share: float) -> Mapping[str, Exchange]:
        """Labels of each training, by its name; none made up over fewer than two patients."""
        plain, seed = self.table.as_they_are, self.run_data.settings.seed
        fit_rows, _ = fit_and_val_rows(plain, "best")
        exchanges = {
            PROBE: permuted_in_sections(plain.keys, fit_rows, share, seed),
            MEASURED: Exchange.of_origin(np.arange(len(plain))),
        }
        if self.fold.test:
            exchanges[MADE_UP] = permuted_over_patients(plain.keys, seed)
        return exchanges

    def tell_estimate(self, n_trainings: int) -> None:
        """Train for one epoch, and say how long all trainings will take at most."""

        def fit(settings: RunSettings) -> None:
            with TemporaryDirectory() as folder:
                self._fit(self.table, settings, Path(folder))

        seconds = n_trainings * self.retraining.seconds(fit)
        n_epochs = self.retraining.n_epochs
        tell_estimate(f"{n_trainings} trainings of at most {n_epochs} epochs", seconds)

    def train(self, name: str, exchange: Exchange, folder: Path) -> RecordedTraining:
        """Train on exchanged labels; a killed training goes on from its last epoch there."""
        tell(f"training on {name} labels")
        table = exchange.apply(self.table)
        return self._fit(table, self.run_data.settings, folder / name)

    def _fit(self, table: SpotTable, settings: RunSettings, folder: Path) -> RecordedTraining:
        row = self.retraining.row
        fitted, losses = fit_recorded(row, table, settings, folder, self.run_data.weights)
        labels = table.target[losses.rows]
        from_mean = np.square(labels - np.nanmean(labels, axis=0), dtype=np.float64)
        distance = np.nanmean(from_mean, axis=1)
        return RecordedTraining(fitted, losses.rows, losses.values, distance)
