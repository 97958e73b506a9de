"""Scores of test bags: each gene over bags, its error on the linear scale, and maps within bags."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.benchmark.bulk_cell import BulkPlan, BulkRow, cell_maps, cell_values, rows_of
from histoscribe.data.bulk_target import BagLabels, linear_labels, linear_values
from histoscribe.data.target import Target
from histoscribe.metrics.bags import mape, mape_excluded, pcc_over_patients
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.types import Fold

SCORE_COLUMNS = ("model", "fold", "gene", "metric", "value", "n_bags")
OVER_PATIENTS, OVER_BLOCKS, WITHIN = "pcc_over_patients", "pcc_over_blocks", "pcc_within_blocks"
BROADCAST = "broadcast"
"""Row whose map is the value of the bag at each of its spots: 0 within bags."""

_ROUNDING = 1e-9
Values = Float[np.ndarray, "M G"]
SpotValues = Float[np.ndarray, "N G"]


@dataclass(frozen=True, eq=False)
class FoldTruth:
    """What was measured of the test bags of a fold."""

    fold: Fold
    target: Target
    bags: Int[np.ndarray, " M"]
    """Numbers of the test bags."""
    labels: BagLabels
    spots: SpotValues | None
    """Targets of all test spots, bag by bag; None where only bags were measured."""
    bag_of_spot: Int[np.ndarray, " N"]
    """Number of the bag of each of these spots among the test bags."""


def over_bags(plan: BulkPlan) -> str:
    """Name of the correlation over bags: over patients, or over blocks of spots."""
    return OVER_BLOCKS if plan.bulk.table is None else OVER_PATIENTS


def fold_truth(plan: BulkPlan, fold: Fold) -> FoldTruth:
    """Measured values of the test bags, and of their spots if those were measured."""
    bulk, target = plan.bulk, plan.targets[fold.name]
    bags = bulk.side(fold.test)
    spots, of_bag = None, np.zeros(0, dtype=np.int64)
    if bulk.table is None:
        measured = {s: target.apply(bulk.cohort[s]) for s in sorted(fold.test)}
        spots = spots_of_bags(plan, bags, measured)
        of_bag = np.repeat(np.arange(len(bags)), [len(bulk.bags[bag]) for bag in bags])
    return FoldTruth(fold, target, bags, bulk.labels(target, bags), spots, of_bag)


def spots_of_bags(
    plan: BulkPlan,
    bags: Int[np.ndarray, " M"],
    by_section: Mapping[str, Float[np.ndarray, "_ width"]],
) -> Float[np.ndarray, "N width"]:
    """Values of the spots of these bags, bag by bag, from those of whole sections."""
    return np.concatenate(
        [
            by_section[section][rows]
            for bag in bags
            for section, rows in sorted(plan.bulk.bags[bag].rows.items())
        ]
    )


def pcc_within(
    predicted: SpotValues, measured: SpotValues, bag: Int[np.ndarray, " N"]
) -> Float[np.ndarray, " G"]:
    """Pearson of each gene over spots, after the mean of each bag is taken off both.

    0 for a prediction that is equal within every bag; NaN for a gene that is constant there.
    """
    pair = (_centred(values, bag) for values in (predicted, measured))
    return pearson_per_gene(*pair)


def fold_scores(plan: BulkPlan, truth: FoldTruth) -> pd.DataFrame:
    """Scores of every row in one fold, gene by gene."""
    parts = [
        table
        for row in rows_of(plan.bulk)
        for table in _row_scores(plan, truth, row.name, *_prediction(plan, truth, row))
    ]
    if truth.spots is not None:
        first = _broadcast_row(plan)
        values = cell_values(plan, truth.fold, first).values.astype(np.float64)
        spread = values[truth.bag_of_spot]
        parts += _row_scores(plan, truth, f"{first.name}-{BROADCAST}", values, spread)
    return pd.concat(parts, ignore_index=True)


def _broadcast_row(plan: BulkPlan) -> BulkRow:
    """Row whose bag values are spread over their spots: ridge, else the last of the run."""
    rows = [row for row in rows_of(plan.bulk) if not row.by_spot]
    return next((row for row in rows if row.row.model == "ridge"), rows[-1])


def _prediction(plan: BulkPlan, truth: FoldTruth, row: BulkRow) -> tuple[Values, SpotValues | None]:
    values = cell_values(plan, truth.fold, row).values.astype(np.float64)
    if truth.spots is None:
        return values, None
    maps = {section: of.values for section, of in cell_maps(plan, truth.fold, row)}
    return values, spots_of_bags(plan, truth.bags, maps).astype(np.float64)


def _row_scores(
    plan: BulkPlan, truth: FoldTruth, model: str, values: Values, maps: SpotValues | None
) -> Iterator[pd.DataFrame]:
    labels = truth.labels
    known = np.isfinite(labels.target).sum(axis=0)
    scores = {over_bags(plan): pcc_over_patients(values, labels.target.astype(np.float64))}
    predicted = linear_values(values, truth.target)
    measured = linear_labels(labels, truth.target)
    if predicted is not None and measured is not None:
        scores["mape"] = mape(predicted, measured)
        scores["mape_excluded"] = mape_excluded(measured).astype(np.float64)
    if maps is not None and truth.spots is not None:
        scores[WITHIN] = pcc_within(maps, truth.spots.astype(np.float64), truth.bag_of_spot)
    for metric, value in scores.items():
        yield pd.DataFrame(
            {
                "model": model,
                "fold": truth.fold.name,
                "gene": truth.target.genes,
                "metric": metric,
                "value": value,
                "n_bags": known,
            }
        )


def _centred(values: SpotValues, bag: Int[np.ndarray, " N"]) -> SpotValues:
    n_spots = np.bincount(bag)[:, None]
    sums = np.zeros((len(n_spots), values.shape[1]))
    np.add.at(sums, bag, values)
    level = (sums / n_spots)[bag]
    centred = values - level
    # equal values have a mean that differs from them in the last bit
    return np.where(np.abs(centred) > _ROUNDING * (1.0 + np.abs(level)), centred, 0.0)


def mean_over_folds(scores: pd.DataFrame, folds: Sequence[str]) -> pd.DataFrame:
    """Mean over genes in each fold, then over folds (`*`); undefined scores are counted."""
    grouped = scores.groupby(["model", "metric", "fold"], sort=False)
    by_fold = grouped.agg(
        mean=("value", "mean"), n_bags=("n_bags", "max"), n_undefined=("value", _undefined)
    ).reset_index()
    every = (
        by_fold.groupby(["model", "metric"], sort=False)
        .agg(mean=("mean", "mean"), n_bags=("n_bags", "sum"), n_undefined=("n_undefined", "sum"))
        .reset_index()
        .assign(fold="*")
    )
    return every if len(folds) == 1 else pd.concat([every, by_fold], ignore_index=True)


def _undefined(values: pd.Series) -> int:
    return int(values.isna().sum())
