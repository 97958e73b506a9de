"""Band of shuffled bags: scores of ridge on mean features without a link to expression.

The labels of the training bags are exchanged among them 100 times; alpha is the one chosen for the
real labels. Test bags keep theirs, so the scores are centred on zero within a fold.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.bulk_cell import BulkPlan
from histoscribe.benchmark.bulk_scores import (
    WITHIN,
    FoldTruth,
    over_bags,
    pcc_within,
    spots_of_bags,
)
from histoscribe.metrics.bags import pcc_over_patients
from histoscribe.metrics.chance import SHUFFLED_RUNS
from histoscribe.models.closed_form.ridge_path import RidgePath, choose_alpha
from histoscribe.seed import stream


@dataclass(frozen=True, eq=False)
class BulkBand:
    """Scores of all shuffled runs in one fold, mean over genes."""

    fold: str
    scores: Mapping[str, Float[np.ndarray, " runs"]]
    """By metric."""


def shuffled_bags(plan: BulkPlan, truth: FoldTruth) -> BulkBand:
    """Score the shuffled runs of a fold."""
    bulk, target = plan.bulk, truth.target
    table = bulk.mean_table(truth.fold, target, None)
    alpha, _ = choose_alpha(table)
    path = RidgePath(table.feature)
    mean = table.target.mean(axis=0, dtype=np.float64)
    of_bags = path.smoother(bulk.means(None, truth.bags), alpha)
    of_spots = None
    if truth.spots is not None:
        features = {
            section: bulk.run_data.features(None, section).astype(np.float64)
            for section in sorted(truth.fold.test)
        }
        of_spots = path.smoother(spots_of_bags(plan, truth.bags, features), alpha)
    scores: dict[str, list[float]] = {over_bags(plan): []}
    for run in range(SHUFFLED_RUNS):
        draws = stream(plan.bulk.settings.seed, f"shuffle-{run}-{truth.fold.name}")
        moved = (table.target - mean)[draws.permutation(len(table))]
        predicted = mean + of_bags @ moved
        measured = truth.labels.target.astype(np.float64)
        scores[over_bags(plan)].append(_mean(pcc_over_patients(predicted, measured)))
        if of_spots is not None and truth.spots is not None:
            within = pcc_within(of_spots @ moved, truth.spots.astype(np.float64), truth.bag_of_spot)
            scores.setdefault(WITHIN, []).append(_mean(within))
    return BulkBand(truth.fold.name, {name: np.array(of) for name, of in scores.items()})


def band_rows(bands: list[BulkBand]) -> pd.DataFrame:
    """Rows of the summary: mean of the runs with their 2.5 and 97.5 percentiles, and deviation."""
    rows = []
    for metric in bands[0].scores:
        by_fold = {band.fold: band.scores[metric] for band in bands}
        runs = {"*": np.mean(list(by_fold.values()), axis=0)}
        for fold, of_fold in (runs | (by_fold if len(by_fold) > 1 else {})).items():
            low, high = np.percentile(of_fold, [2.5, 97.5])
            rows.append((SHUFFLED, metric, fold, of_fold.mean(), low, high, of_fold.std(ddof=1)))
    return pd.DataFrame(
        rows, columns=["model", "metric", "fold", "mean", "low", "high", "deviation"]
    )


def _mean(values: Float[np.ndarray, " G"]) -> float:
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")
