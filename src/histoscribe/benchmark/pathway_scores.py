"""Pathways of a run: predicted activity in the test sections, its scores and its band.

There are two predictions of activity. `scores` are those of a network with a head for pathways.
`genes` is the activity of the predicted genes, made as that of measured ones, which every model
has: what the scores of a head must be compared with.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from histoscribe.benchmark.band import (
    METRICS,
    SHUFFLED,
    MeasuredSpots,
    Shuffled,
    kept_scores,
    shuffled_scores,
)
from histoscribe.benchmark.cell import cell_prediction, folder_name
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import ORACLE, Scored, Truth
from histoscribe.data.activity import activity_of_values, measured_activity
from histoscribe.data.target import Target
from histoscribe.metrics.moments import moments
from histoscribe.train.tables import training_activity, training_table
from histoscribe.types import PATHWAYS, Fold, Pathways, PathwaysCard, Prediction

Source = Literal["scores", "genes"]
"""Origin of predicted activity: the head of a network, or the predicted genes."""
HEAD: Source = "scores"
OF_GENES: Source = "genes"


@dataclass(frozen=True, eq=False)
class PathwayScores:
    """Scores of the activity that one model predicts in one test section."""

    model: str
    source: Source
    section: str
    patient: str
    values: dict[str, Float[np.ndarray, " P"]]
    """By metric; NaN where the section measured no member."""


@dataclass(frozen=True, eq=False)
class FoldPathways:
    """Pathways of one fold: scores of every model, and the band of shuffled labels."""

    fold: str
    names: tuple[str, ...]
    card: PathwaysCard
    scores: tuple[PathwayScores, ...]
    band: tuple[Shuffled, ...]
    """Its `genes` are the names of the pathways."""


def fold_pathways(
    plan: RunPlan, fold: Fold, target: Target, scored: Sequence[Scored]
) -> FoldPathways | None:
    """Score the pathways of a fold; None in a run without gene sets.

    `scored` has every model of the run in every test section of the fold.
    """
    if fold.name not in plan.pathways:
        return None
    found = plan.pathways[fold.name]
    truths = {item.truth.section: item.truth for item in scored}
    tested = {
        name: MeasuredSpots(
            name, activity_in_test(plan, fold, target, name, found.pathways), truth.log_total
        )
        for name, truth in truths.items()
    }
    return FoldPathways(
        fold=fold.name,
        names=found.pathways.names,
        card=found.card,
        scores=tuple(
            PathwayScores(
                model=item.model,
                source=source,
                section=item.truth.section,
                patient=item.truth.patient,
                values=_values(predicted, tested[item.truth.section]),
            )
            for item in scored
            if item.model != ORACLE
            for source, predicted in _predicted(plan, fold, item, found.pathways)
        ),
        band=tuple(_band(plan, fold, target, found.pathways, list(tested.values()), truths)),
    )


def activity_in_test(
    plan: RunPlan, fold: Fold, target: Target, section: str, pathways: Pathways
) -> Float[np.ndarray, "N P"]:
    """Measured activity of each pathway in the test spots of a section."""
    of = plan.run_data.cohort[section]
    return measured_activity(target.panel_counts(of, fold.test[section]), pathways)


def head_scores(prediction: Prediction, pathways: Pathways) -> Float[np.ndarray, "N P"] | None:
    """Predicted scores of these pathways; None for a model without a head."""
    if prediction.head.evidence_names.get(PATHWAYS) != pathways.names:
        return None
    return prediction.head.evidence[PATHWAYS]


def _predicted(
    plan: RunPlan, fold: Fold, item: Scored, pathways: Pathways
) -> Iterator[tuple[Source, Float[np.ndarray, "N P"]]]:
    if item.model in plan.settings.models and plan.settings.row(item.model).scores_pathways:
        prediction = cell_prediction(plan, fold, item.model, item.truth.section)
        scores = head_scores(prediction, pathways)
        if scores is not None:
            yield HEAD, scores
    yield OF_GENES, activity_of_values(item.evaluated.predicted, pathways)


def _values(
    predicted: Float[np.ndarray, "N P"], tested: MeasuredSpots
) -> dict[str, Float[np.ndarray, " P"]]:
    sums = moments(predicted.astype(np.float32), tested.measured, tested.log_total)
    return {metric: of(sums) for metric, of in METRICS.items()}


def _band(
    plan: RunPlan,
    fold: Fold,
    target: Target,
    pathways: Pathways,
    tested: list[MeasuredSpots],
    truths: dict[str, Truth],
) -> Iterator[Shuffled]:
    """Ridge on permuted activity, as the band of the genes; finished runs are read from disk."""

    def score() -> dict[str, np.ndarray]:
        table = training_table(plan.run_data, fold, target, None)
        activity = training_activity(plan.run_data, fold, target, pathways)
        learned = replace(table, target=np.tile(activity, (table.copies, 1)))
        return shuffled_scores(plan, fold, learned, tested)

    name = f"{folder_name(fold)}.pathways.safetensors"
    arrays = kept_scores(plan.out / "predictions" / SHUFFLED / name, score)
    for section, truth in truths.items():
        scores = {metric: arrays[f"{section}/{metric}"] for metric in METRICS}
        n_spots = len(truth.log_total)
        yield Shuffled(section, truth.patient, pathways.names, n_spots, scores)
