"""The model of a predictor trained again on a tenth, a third and all of its training spots."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.request import ExplainRequest
from histoscribe.explain.retraining.recipe import training_recipe
from histoscribe.explain.retraining.retraining import Retraining
from histoscribe.explain.retraining.spot_rows import fold_of, share_of_spots, spots_of_patients
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.train.run_data import RunData
from histoscribe.types import Section

SHARES = {"a tenth": 0.1, "a third": 1 / 3, "all": 1.0}
"""Shares of the spots of each training section."""


@final
@dataclass(frozen=True, eq=False)
class ShareTrainings:
    """A training on each share; a smaller share is a part of a larger one."""

    by_share: dict[str, Retraining]
    n_spots: dict[str, int]

    @classmethod
    def plan(cls, request: ExplainRequest, sections: Sequence[Section]) -> "ShareTrainings":
        """Choose the training spots: those of all patients but the ones that are asked about.

        Raises DataContractError for a predictor that cannot be trained again, a section of an
        unknown patient, and no other patient.
        """
        recipe = training_recipe(request.predictor)
        cohort = request.cohort
        held_out = {section.patient for section in sections}
        patients = {of for of in cohort.patients.values() if of not in held_out and of is not None}
        if not patients or None in held_out:
            raise DataContractError(_no_patients(len(patients)))
        run_data = RunData(recipe, cohort, request.predictor.weights, request.cache)
        train = spots_of_patients(cohort, patients)
        test = spots_of_patients(cohort, {of for of in held_out if of is not None})
        drawn = {name: share_of_spots(train, share, recipe.seed) for name, share in SHARES.items()}
        folds = {name: fold_of(cohort, rows, test) for name, rows in drawn.items()}
        run_data.check(list(folds.values()))
        return cls(
            by_share={name: Retraining(run_data, fold) for name, fold in folds.items()},
            n_spots={name: sum(map(len, rows.values())) for name, rows in drawn.items()},
        )

    def trained(self, folder: Path) -> Iterator[tuple[str, Predictor]]:
        """Train on each share, after the estimate; a stopped training goes on in this folder."""
        smallest = min(self.n_spots, key=self.n_spots.__getitem__)
        each = self.by_share[smallest].seconds() / self.n_spots[smallest]
        tell_estimate(f"{len(self.by_share)} trainings", each * sum(self.n_spots.values()))
        for name, training in track(list(self.by_share.items()), "trainings"):
            resume = folder / name.replace(" ", "-")
            resume.mkdir(parents=True, exist_ok=True)
            yield name, training.predictor(resume=resume)


def _no_patients(n_patients: int) -> Problem:
    return Problem(
        where="setting retrain",
        found=f"{n_patients} patients to train on",
        expected="named patients besides those of the sections that are asked about",
        remedy="name fewer sections, or give a cohort with more patients",
    )
