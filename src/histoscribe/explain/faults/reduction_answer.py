"""The answer to `faults --reduce`: what a class loses when training lacks its patients."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd

from histoscribe.explain.faults.class_errors import FEWEST_PATIENTS
from histoscribe.explain.faults.reduction import (
    CLASS,
    OTHERS,
    ReducedTraining,
    Reduction,
    falls,
    mean_with_interval,
    mean_with_range,
)
from histoscribe.explain.finding import Finding, Number
from histoscribe.explain.request import ExplainRequest
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.plot.training_levels import LevelCurve, draw_level_curves
from histoscribe.train.settings import dump_settings

FIGURE, TABLE = "reduction.png", "reduction.csv"


@final
@dataclass(frozen=True, eq=False)
class ReductionAnswer:
    """Trains with fewer patients of a class, and compares errors on held-out patients."""

    request: ExplainRequest
    reduction: Reduction
    fact: str

    @property
    def about(self) -> Mapping[str, str]:
        """Predictor, settings, class and patients."""
        reduction, predictor = self.reduction, self.request.predictor
        text = dump_settings(reduction.run_data.settings)
        division = reduction.divisions[0]
        return {
            "predictor": f"{predictor.row}@{predictor.hash}",
            "training": f"settings of sha256 {sha256(text.encode()).hexdigest()}",
            "sections": " ".join(reduction.run_data.cohort.ids),
            "reduced": f"{self.fact} {reduction.one}",
            "patients": "; ".join(f"{name} {one}" for name, one in reduction.of_patient.items()),
            "in training": f"{', '.join(map(str, division.levels))} patients of the class and "
            f"{len(division.others)} others",
            "draws": str(reduction.n_draws),
            "error": "squared error, mean over genes, spots and patients, in units of that of the "
            "mean label; panel and transform of the training with all patients",
        }

    def work(self, out: Path) -> Finding:
        """Train, and write figure and table."""
        trainings = self.reduction.trainings()
        write_text(out / TABLE, csv_text(_table(trainings)))
        draw_level_curves(self._curves(trainings), self._title(), out / FIGURE)
        statistic, null = _numbers(trainings)
        return Finding(
            question="faults",
            about=self.about,
            folder=out,
            figures=(FIGURE,),
            tables=(TABLE,),
            statistic=tuple(statistic),
            null=tuple(null),
            caveat=tuple(self._caveats(trainings)),
        )

    def _title(self) -> str:
        return (
            f"{self.request.predictor.row} trained again without and with patients of "
            f"{self.fact} {self.reduction.one}"
        )

    def _curves(self, trainings: Sequence[ReducedTraining]) -> list[LevelCurve]:
        one = f"{self.fact} {self.reduction.one}"
        parts = ((one, CLASS, False), ("others", OTHERS, False), ("by chance", CLASS, True))
        curves = []
        for name, side, permuted in parts:
            of = [each for each in trainings if each.division.permuted == permuted]
            levels = sorted({each.n_in_training for each in of})
            values = [[each.error[side] for each in of if each.n_in_training == n] for n in levels]
            words = "patients drawn at random instead" if permuted else f"held-out patients, {name}"
            curves.append(LevelCurve(words, tuple(levels), np.array(values), by_chance=permuted))
        return curves

    def _caveats(self, trainings: Sequence[ReducedTraining]) -> Iterator[str]:
        division = trainings[0].division
        yield (
            "The interval is over draws, which share patients: it says how certain the mean over "
            "such draws is, not how other patients of the class would do."
        )
        yield (
            f"More patients of the class are also more patients: with {len(division.others)} "
            f"others alone training is smaller than with all {len(division.in_order)}. The error "
            "of the others shows what numbers alone do."
        )
        if len(division.in_order) + len(division.held_out[CLASS]) < FEWEST_PATIENTS:
            yield (
                f"{len(division.held_out[CLASS])} held-out patients of the class: what is said of "
                "the class is said of these."
            )


def _numbers(trainings: Sequence[ReducedTraining]) -> tuple[list[Number], list[Number]]:
    statistic, null = [], []
    for side, words in ((CLASS, "of the class"), (OTHERS, "of the other classes")):
        name = f"fall_{side}"
        meaning = (
            f"error of held-out patients {words} without any patient of the class in training, "
            "minus that with all of them"
        )
        drawn = falls(trainings, side, permuted=False)
        by_chance = falls(trainings, side, permuted=True)
        interval = "95 % interval of the mean over draws"
        statistic.append(mean_with_interval(name, drawn, f"{meaning}; {interval}"))
        chance = f"{meaning}, of {len(by_chance)} classes of random patients; 95 % of such classes"
        null.append(mean_with_range(name, by_chance, chance))
    return statistic, null


def _table(trainings: Sequence[ReducedTraining]) -> pd.DataFrame:
    rows = [
        {
            "draw": training.division.draw,
            "classes": "permuted" if training.division.permuted else "as given",
            "class_patients_in_training": training.n_in_training,
            "held_out": side,
            "held_out_patients": " ".join(training.division.held_out[side]),
            "error": training.error[side],
            "pcc": training.pcc[side],
        }
        for training in trainings
        for side in (CLASS, OTHERS)
    ]
    return pd.DataFrame(rows)
