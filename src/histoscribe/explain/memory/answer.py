"""The answer to `memory`: whether a network learns from its labels, or memorises them."""

import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import final

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Finding
from histoscribe.explain.memory.held_out import HeldOut
from histoscribe.explain.memory.pictures import draw_losses, draw_mixtures, draw_separations
from histoscribe.explain.memory.question import MemoryQuestionSettings
from histoscribe.explain.memory.spots import ProbedSpots
from histoscribe.explain.memory.trainings import (
    PROBE,
    MemoryTrainings,
    RecordedTraining,
)
from histoscribe.explain.request import AnswerPlan, ExplainRequest, unknown_sections
from histoscribe.explain.retraining.labels import Exchange, n_permuted
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.predictor.saving import save_predictor
from histoscribe.train.run import predictor_of
from histoscribe.train.settings import RunSettings, dump_settings

_FIGURES = {
    "losses.png": draw_losses,
    "mixture.png": draw_mixtures,
    "roc.png": draw_separations,
}
SPOTS, SEPARATIONS, EPOCHS = "spots.csv", "separations.csv", "epochs.csv"
PROBE_FOLDER = "probe"
FEWEST_PERMUTED = 10
"""Fewer labels separate from others by luck."""
_TRAININGS = "trainings"


def plan_memory(request: ExplainRequest, settings: MemoryQuestionSettings) -> AnswerPlan:
    """Read the settings of the predictor's training, check the data, and plan the trainings.

    Raises
    ------
    DataContractError
        for an unknown section, a predictor that cannot be trained again, and whatever stops a
        training.
    """
    problems = unknown_sections(request.cohort, settings.sections, "section")
    recipe: list[RunSettings] = []
    try:
        recipe.append(training_recipe(request.predictor, epochs_needed=True))
    except DataContractError as error:
        problems += error.problems
    if problems:
        raise DataContractError(problems)
    cohort = request.cohort
    if settings.sections:
        cohort = cohort.subset(settings.sections)
    weights = request.predictor.weights
    trainings = MemoryTrainings.plan(cohort, recipe[0], weights, request.cache)
    n_exchanged = sum(
        n_permuted(len(rows), settings.share) for rows in trainings.fold.inner[0].fit.values()
    )
    if n_exchanged < FEWEST_PERMUTED:
        raise DataContractError(_too_few(n_exchanged, settings.share))
    answer = MemoryAnswer(request, trainings, settings.share)
    return AnswerPlan(about=answer.about, sections=tuple(cohort), work=answer.work)


def _too_few(n_exchanged: int, share: float) -> Problem:
    return Problem(
        where=f"share {share:g}",
        found=f"{n_exchanged} labels to permute in the sections that training fits",
        expected=f"at least {FEWEST_PERMUTED}, to tell them from the others",
        remedy="give more sections, or a larger share",
    )


@final
@dataclass(frozen=True, eq=False)
class MemoryAnswer:
    """Trains on permuted, measured and made-up labels, and compares."""

    request: ExplainRequest
    trainings: MemoryTrainings
    share: float

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, settings, sections and fold."""
        predictor, run_data, fold = (
            self.request.predictor,
            self.trainings.run_data,
            self.trainings.fold,
        )
        text = dump_settings(run_data.settings)
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "training": f"settings of sha256 {sha256(text.encode()).hexdigest()}",
            "sections": " ".join(run_data.cohort.ids),
            "held out": " ".join(sorted(fold.test)) or "none",
            "epoch": f"the best on the {fold.validation} that is held out of training",
            "permuted": f"{self.share:g} of the labels of each section",
            "loss": "squared error, mean over genes; mean over the epochs up to the best",
        }

    def work(self, out: Path) -> Finding:
        """Train, write figures and tables, and keep the probe, marked as one."""
        exchanges = self.trainings.exchanges(self.share)
        self.trainings.tell_estimate(len(exchanges))
        done = {
            name: self.trainings.train(name, exchange, out / _TRAININGS)
            for name, exchange in exchanges.items()
        }
        spots = ProbedSpots.of(self.trainings, done, exchanges[PROBE], self.share)
        for figure, draw in _FIGURES.items():
            draw(spots, out / figure)
        spots.write(*(out / name for name in (SPOTS, SEPARATIONS, EPOCHS)))
        statistic, null = spots.numbers()
        if self.trainings.fold.test:
            scores, by_chance = HeldOut(self.trainings).numbers(done)
            statistic, null = [*statistic, *scores], [*null, *by_chance]
        self._keep_probe(done[PROBE], exchanges[PROBE], out / PROBE_FOLDER)
        shutil.rmtree(out / _TRAININGS)
        return Finding(
            question="memory",
            about=self.about,
            folder=out,
            figures=tuple(_FIGURES),
            tables=(SPOTS, SEPARATIONS, EPOCHS),
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(self._caveats(spots)),
        )

    def _keep_probe(self, probe: RecordedTraining, exchange: Exchange, folder: Path) -> None:
        trainings = self.trainings
        run_data, fold = trainings.run_data, trainings.fold
        table = exchange.apply(trainings.table)
        (row,) = run_data.settings.rows
        made = predictor_of(run_data, fold, row, trainings.target, probe.fitted, table)
        words = f"labels of {self.share:.0%} of the training spots permuted within each section"
        save_predictor(replace(made, card=replace(made.card, made_up_labels=words)), folder)

    def _caveats(self, spots: ProbedSpots) -> Iterator[str]:
        yield (
            "A spot with a high loss may have a wrong label, or tissue that is rare, damaged or "
            "hard to read: look at it before it is left out."
        )
        yield (
            "Exchanged labels come from anywhere in the section. Labels that are wrong in another "
            "way, such as those of the next spot, are harder to tell."
        )
        yield spots.mixture_words
        listed = sorted(set(spots.keys.section_names))
        missing = [id_ for id_ in self.trainings.run_data.cohort.ids if id_ not in listed]
        if missing:
            yield f"No loss of the spots of {', '.join(missing)}: training did not fit them."
        if not self.trainings.fold.test:
            yield (
                "Fewer than three patients: nothing was held out, and labels were not exchanged "
                "over patients."
            )
