"""Score on the sections of the patient that no training read, and its values by chance."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float

from histoscribe.data.items.spots import SpotQueries
from histoscribe.device import choose_device
from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.memory.trainings import (
    MADE_UP,
    MEASURED,
    MemoryTrainings,
    RecordedTraining,
)
from histoscribe.explain.retraining.labels import permuted_over_patients
from histoscribe.metrics.chance import SHUFFLED_RUNS
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.models.closed_form.ridge_path import RidgePath, choose_alpha
from histoscribe.progress import track
from histoscribe.seed import integer
from histoscribe.train.tables import section_queries

_MEANING = "correlation with the measured values of the held-out patient, mean over genes"
_LABELS = {
    MEASURED: ("score_measured_labels", "labels as they were measured"),
    MADE_UP: ("score_made_up_labels", "labels exchanged over patients"),
}
"""Training -> name of its score, and its labels in words."""


@dataclass(frozen=True, eq=False)
class _Section:
    """A held-out section."""

    name: str
    queries: SpotQueries
    measured: Float[np.ndarray, "N G"]


@final
class HeldOut:
    """The sections of the held-out patient.

    A score is Pearson of prediction and measured values over the spots of a section: mean over
    genes, then over sections. Genes that a section lacks, or that are constant, are left out.
    """

    def __init__(self, trainings: MemoryTrainings) -> None:
        self._trainings = trainings
        self._sections = [self._section(name) for name in sorted(trainings.fold.test)]

    def numbers(
        self, trainings: Mapping[str, RecordedTraining]
    ) -> tuple[list[Number], list[Number]]:
        """Give the score of both trainings, and each score by chance.

        By chance is a training on labels made up anew, many times. Surrogates of the measured maps
        would not do: what is predicted from tissue follows tissue, and so do the genes, in the same
        or in the opposite direction. Ridge on the features of the model learns these labels, for
        the network would take a hundred times as long.
        """
        draws = self.by_chance()
        pairs = [self._number(name, trainings[name], draws) for name in _LABELS]
        return [value for value, _ in pairs], [by_chance for _, by_chance in pairs]

    def score(self, training: RecordedTraining) -> float:
        """Score of the network of a training."""
        device = torch.device(choose_device(self._trainings.run_data.settings.run.device))
        predicted = {
            of.name: training.fitted.predict(of.queries, device).values for of in self._sections
        }
        return self._score(predicted)

    def _number(
        self, name: str, training: RecordedTraining, draws: Float[np.ndarray, " draws"]
    ) -> tuple[Number, Number]:
        label, words = _LABELS[name]
        value = Number(label, self.score(training), f"{_MEANING}; trained on {words}")
        by_chance = f"{_MEANING}; ridge on labels made up anew, {len(draws)} times"
        return value, Number.of_draws(label, draws, by_chance)

    def _section(self, name: str) -> _Section:
        trainings = self._trainings
        run_data, fold = trainings.run_data, trainings.fold
        section, rows = run_data.cohort[name], fold.test[name]
        return _Section(
            name,
            section_queries(run_data, run_data.settings.rows[0], name, fold),
            trainings.target.apply(section, rows),
        )

    def _score(self, predicted: Mapping[str, Float[np.ndarray, "N G"]]) -> float:
        return defined_mean(
            [
                defined_mean(pearson_per_gene(predicted[of.name], of.measured))
                for of in self._sections
            ]
        )

    def by_chance(self) -> Float[np.ndarray, " draws"]:
        """Scores of ridge on labels exchanged over patients, each time anew."""
        table, seed = self._trainings.table.as_they_are, self._trainings.run_data.settings.seed
        alpha, _ = choose_alpha(table)
        path = RidgePath(table.feature)
        centred = table.target - table.target.mean(axis=0)
        smoothers = {
            of.name: path.smoother(of.queries.feature, alpha).astype(np.float32)
            for of in self._sections
        }

        def score(run: int) -> float:
            exchange = permuted_over_patients(table.keys, integer(seed, f"memory-made-up-{run}"))
            labels = centred[exchange.origin]
            return self._score({name: of @ labels for name, of in smoothers.items()})

        with closing(track(range(SHUFFLED_RUNS), "labels made up anew")) as runs:
            return np.array([score(run) for run in runs])
