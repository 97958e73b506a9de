"""The model of a predictor trained again, on spots, labels or settings that a question chooses."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import final

from histoscribe.data.target import Target
from histoscribe.predictor.fitted_model import Fitted
from histoscribe.predictor.predictor import Predictor
from histoscribe.train.fit import fit
from histoscribe.train.row import ModelRow
from histoscribe.train.run import predictor_of
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import RunSettings
from histoscribe.train.tables import row_table
from histoscribe.types import Fold, SpotTable

Change = Callable[[SpotTable], SpotTable]
"""Gives a training table with other labels or features; the spots stay."""


def unchanged(table: SpotTable) -> SpotTable:
    """Give back measured labels and features."""
    return table


@final
@dataclass(frozen=True, eq=False)
class Retraining:
    """Trainings of one model on the training spots of one fold.

    Retrainings of several folds share `run_data`, so that features are read once. Call
    `run_data.check([fold])` before the long work. The predictors are not saved.
    """

    run_data: RunData
    """Cohort, and settings of `training_recipe`."""
    fold: Fold
    genes_of: Target | None = field(default=None, kw_only=True)
    """Panel and transform to keep, so that errors of several trainings are in the same unit; None
    fits them on the training spots.
    """

    @property
    def settings(self) -> RunSettings:
        """Settings of the training."""
        return self.run_data.settings

    @property
    def row(self) -> ModelRow:
        """The model and its settings."""
        (row,) = self.settings.rows
        return row

    @property
    def n_epochs(self) -> int:
        """Epochs of a training at most."""
        return self.settings.train.epochs_of(self.row.recipe)

    @cached_property
    def target(self) -> Target:
        """Panel and transform."""
        if self.genes_of is not None:
            return self.genes_of
        return self.run_data.target(self.fold.train)

    @cached_property
    def table(self) -> SpotTable:
        """Training spots with their measured labels."""
        return row_table(self.run_data, self.fold, self.target, self.row)

    def fit(
        self,
        change: Change = unchanged,
        *,
        settings: RunSettings | None = None,
        resume: Path | None = None,
    ) -> Fitted:
        """Train, e.g. on exchanged labels; a killed training goes on from its last epoch.

        Parameters
        ----------
        settings
            Of this training, e.g. with fewer epochs; model, inputs and target stay.
        resume
            Folder of the last epoch; by default a temporary one.
        """
        used = self.settings if settings is None else settings
        with TemporaryDirectory() if resume is None else nullcontext(resume) as folder:
            return fit(
                self.row,
                change(self.table),
                used,
                Path(folder),
                protocol=self.fold.protocol,
                weights=self.run_data.weights,
            )

    def predictor(self, change: Change = unchanged, *, resume: Path | None = None) -> Predictor:
        """Train, as `fit`, and make the predictor."""
        fitted, table = self.fit(change, resume=resume), change(self.table)
        return predictor_of(self.run_data, self.fold, self.row, self.target, fitted, table)

    def seconds(self, of_epoch: Callable[[RunSettings], object] | None = None) -> float:
        """How long a training takes at most, from one epoch; of an estimator, from one fit.

        Parameters
        ----------
        of_epoch
            Trains once with the settings that it is given; by default `fit`.
        """
        once = self.settings.train.model_copy(update={"epochs": 1})
        settings = self.settings.model_copy(update={"train": once})
        _ = self.table  # read before the clock runs
        start = perf_counter()
        if of_epoch is None:
            self.fit(settings=settings)
        else:
            of_epoch(settings)
        return (perf_counter() - start) * (self.n_epochs if self.row.is_network else 1)
