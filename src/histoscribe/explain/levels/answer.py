"""The answer to `levels`: tiles of seven levels of a gene, and what changes from low to high."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.finding import Finding
from histoscribe.explain.levels.bins import LevelBins
from histoscribe.explain.levels.choice import sample_spots, sheet_spots
from histoscribe.explain.levels.permutations import FEWEST_PATIENTS, N_DRAWS
from histoscribe.explain.levels.pictures import draw_pictures
from histoscribe.explain.levels.plan import LevelPlan, bins_of, check_levels
from histoscribe.explain.levels.question import LevelsQuestionSettings
from histoscribe.explain.levels.results import PREDICTED, LevelResults, numbers_of, results_of
from histoscribe.explain.levels.sheet import reading_spots, write_sheet
from histoscribe.explain.levels.spots import LevelSpots, predicted_spots
from histoscribe.explain.levels.tables import (
    LevelData,
    level_table,
    pair_table,
    patient_table,
    tile_table,
    trend_table,
)
from histoscribe.explain.levels.tiles import read_looks
from histoscribe.explain.request import AnswerPlan, ExplainRequest, trained_on
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text

TABLES = ("levels.csv", "trends.csv", "patients.csv", "pairs-of-levels.csv", "tiles.csv")
_NO_SPOTS = np.zeros(0, dtype=np.int64)


def plan_levels(request: ExplainRequest, settings: LevelsQuestionSettings) -> AnswerPlan:
    """Check the request, and plan the work; raises DataContractError as `check_levels` does."""
    answer = LevelsAnswer(check_levels(request, settings))
    return AnswerPlan(about=answer.about, sections=answer.plan.sections, work=answer.work)


@final
@dataclass(frozen=True, eq=False)
class LevelsAnswer:
    """Answers the question for one gene."""

    plan: LevelPlan

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, sections, gene, what makes the levels, and how chance is drawn."""
        plan, predictor = self.plan, self.plan.predictor
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "sections": " ".join(section.id for section in plan.sections),
            "gene": plan.label,
            "gene_id": plan.gene.genes[0],
            "gene_choice": plan.gene.why,
            "unit": predictor.target.unit,
            "levels": f"seven bins of {plan.by} values, equal from the 1st to the 99th percentile",
            "measured": f"sha256:{sha256(plan.measured.tobytes()).hexdigest()}",
            "concepts": " ".join(plan.concepts),
            "chance": f"{N_DRAWS} permutations of labels over patients",
            "reading_sheet": "yes" if plan.with_sheet else "no",
        }

    def work(self, out: Path) -> Finding:
        """Predict, choose tiles, compare levels, and write tables and figures."""
        data, reading = self._data()
        plan, n_patients = self.plan, len(data.spots.patients)
        columns = [*data.concepts, *([PREDICTED] if plan.by == "measured" else [])]
        results = results_of(data.spots, data.label, data.bins, data.sample, data.looks, columns)
        tables = (
            level_table(data, results),
            trend_table(results, columns, n_patients),
            patient_table(data, results, columns),
            pair_table(results),
            tile_table(data),
        )
        for name, table in zip(TABLES, tables, strict=True):
            write_text(out / name, csv_text(table))
        figures = draw_pictures(plan, data, results, out)
        files = write_sheet(plan, data, reading, out) if plan.with_sheet else ()
        statistic, null = numbers_of(results, n_patients)
        return Finding(
            question="levels",
            about=self.about,
            folder=out,
            figures=figures,
            tables=TABLES,
            statistic=statistic,
            null=null,
            caveat=tuple(self._caveats(data, results)),
            files=files,
        )

    def _data(self) -> tuple[LevelData, Int[np.ndarray, " n"]]:
        """Spots with their values and looks, and the spots of the reading sheet."""
        plan = self.plan
        spots = predicted_spots(
            plan.predictor, plan.sections, plan.column, plan.cache, of_bags=plan.of_bags
        )
        measured = plan.measured[spots.patient] if plan.of_bags else plan.measured
        label = measured if plan.by == "measured" else _predictions(spots)
        kept = ~np.isnan(label)
        spots, measured, label = spots.take(kept), measured[kept], label[kept]
        bins = self._bins(spots, label)
        level = bins.of(label)
        sheets, sample = sheet_spots(spots, level), sample_spots(spots)
        reading = reading_spots(spots, level, plan.label) if plan.with_sheet else _NO_SPOTS
        drawn = np.concatenate([*sheets, reading])
        looks = read_looks(
            plan.predictor,
            spots,
            np.concatenate([sample, drawn]),
            frozenset(drawn.tolist()),
            plan.concepts,
            plan.cache,
        )
        return LevelData(
            spots, measured, label, bins, sheets, sample, looks, plan.concepts
        ), reading

    def _bins(self, spots: LevelSpots, label: Float[np.ndarray, " N"]) -> LevelBins:
        """Over all spots; of a bag model each patient counts once."""
        if spots.of_patients is None:
            return bins_of(label, self.plan.label)
        first = np.searchsorted(spots.patient, np.arange(len(spots.patients)))
        return bins_of(label[first], self.plan.label)

    def _caveats(self, data: LevelData, results: LevelResults) -> Iterator[str]:
        plan, n_patients = self.plan, len(data.spots.patients)
        yield (
            "A measure that follows the levels is found where the gene is high. It need not be why "
            "the gene is high, nor what the model reads."
        )
        if plan.by == "predicted":
            yield (
                "Levels are of predictions, which the model reads off these tiles: a trend says "
                "what the model follows, not that the tissue expresses the gene."
            )
        if data.spots.of_patients is None:
            yield (
                "The contact sheet shows the tiles with the most extreme predictions of each "
                f"level. The numbers are of {len(data.sample)} other tiles, drawn at random, "
                "because numbers of chosen tiles would be circular. Trends are within patients."
            )
        else:
            yield (
                f"The numbers are of {len(data.sample)} tiles, those of each patient with most "
                "attention. Each patient counts once, and patients differ in stain and site, too."
            )
        if n_patients < FEWEST_PATIENTS:
            yield (
                f"{n_patients} patients are too few for a p-value: patients.csv lists the values, "
                "and the ranges by chance rest on few permutations."
            )
        yield (
            f"{len(results.numbers) - 1} numbers are compared with chance: about one in twenty is "
            "outside of its range by chance. largest_deviation is one test for all of them."
        )
        if left_out := sum(len(s.spots) for s in plan.sections) - len(data.spots):
            yield f"{left_out} spots of sections without this gene are left out."
        trained = [trained_on(plan.predictor, section) for section in plan.sections]
        if known := [words for words in trained if words is not None]:
            yield f"Not held out: {'; '.join(known)}."


def _predictions(spots: LevelSpots) -> Float[np.ndarray, " N"]:
    return spots.predicted if spots.of_patients is None else spots.of_patients[spots.patient]
