"""One cell of a benchmark on bags: a row fitted for a fold, and what it predicts of test bags."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from histoscribe.benchmark.cell import folder_name, predictor_folder
from histoscribe.data.items.labelled_bags import LabelledBags
from histoscribe.data.target import Target
from histoscribe.io.predictions.anndata import read_prediction, write_prediction
from histoscribe.io.predictions.bulk_file import FILE, read_bulk, write_bulk
from histoscribe.predictor.predictor import Predictor
from histoscribe.predictor.saving import is_predictor, load_predictor
from histoscribe.train.bulk_data import BulkData
from histoscribe.train.bulk_fit import fit_bulk_predictor
from histoscribe.train.row import ModelRow
from histoscribe.train.tables import section_queries
from histoscribe.types import BulkPrediction, Fold, Prediction

BY_SPOT = "-by-spot"
"""Ending of the row of a model with a label for every spot of a block."""


@dataclass(frozen=True, eq=False)
class BulkPlan:
    """Plan of a benchmark on bags before its first fit."""

    bulk: BulkData
    folds: tuple[Fold, ...]
    targets: dict[str, Target]
    """Panel and transform of each fold, by name."""
    out: Path


@dataclass(frozen=True)
class BulkRow:
    """One row of the tables: a model trained on labels of bags, or of single spots."""

    row: ModelRow
    by_spot: bool = False

    @property
    def name(self) -> str:
        """Name of the row in the tables."""
        return self.row.name + (BY_SPOT if self.by_spot else "")


def rows_of(bulk: BulkData) -> tuple[BulkRow, ...]:
    """Rows of a run; with blocks, each model also learns from labels of single spots."""
    rows = [BulkRow(row) for row in bulk.settings.rows]
    if bulk.table is None:
        rows += [BulkRow(row, by_spot=True) for row in bulk.settings.rows]
    return tuple(rows)


def run_bulk_cell(plan: BulkPlan, fold: Fold, row: BulkRow) -> None:
    """Fit, save and predict; existing results are kept."""
    bulk, target = plan.bulk, plan.targets[fold.name]
    folder = predictor_folder(plan.out, row.name, fold)
    values = _folder(plan, fold, row) / FILE
    maps = [s for s in _mapped(plan, fold) if not _map_file(plan, fold, row, s).exists()]
    if is_predictor(folder) and values.exists() and not maps:
        return
    predictor = (
        replace(load_predictor(folder, bulk.run_data.weights), device=bulk.settings.run.device)
        if is_predictor(folder)
        else fit_bulk_predictor(bulk, fold, row.row, target, folder, by_spot=row.by_spot)
    )
    for section in maps:
        queries = section_queries(bulk.run_data, row.row, section, fold)
        tested = bulk.cohort[section].take(fold.test[section])
        prediction = predictor.from_queries(tested, queries, with_gene_scores=False)
        write_prediction(prediction, _map_file(plan, fold, row, section))
    if not values.exists():
        write_bulk(_predicted(plan, fold, row, predictor), values)


def cell_values(plan: BulkPlan, fold: Fold, row: BulkRow) -> BulkPrediction:
    """Read the values of the test bags that `run_bulk_cell` wrote."""
    return read_bulk(_folder(plan, fold, row) / FILE)


def cell_maps(plan: BulkPlan, fold: Fold, row: BulkRow) -> Iterator[tuple[str, Prediction]]:
    """Read the maps of the test sections; none where spots were not measured."""
    for section in _mapped(plan, fold):
        yield section, read_prediction(_map_file(plan, fold, row, section))


def _predicted(plan: BulkPlan, fold: Fold, row: BulkRow, predictor: Predictor) -> BulkPrediction:
    bulk, encoder = plan.bulk, row.row.encoder
    bags = bulk.side(fold.test)
    deviation = None
    if row.by_spot:
        values = _mean_of_maps(plan, fold, row, bags)
    elif row.row.item == "bag":
        table = bulk.tested(predictor.target, encoder, bags)
        of = predictor.fitted.values_of_bags(LabelledBags(table), _names(bulk, bags))
        values, deviation = of.values, of.deviation
    else:
        values = predictor.fitted.predict_means(bulk.means(encoder, bags))
    return BulkPrediction(
        patients=_names(bulk, bags),
        genes=predictor.target.genes,
        values=values.astype(np.float32),
        deviation=None if deviation is None else deviation.astype(np.float32),
        unit=predictor.target.unit,
        predictor=predictor.name,
        gene_names=predictor.gene_names,
        card=json.dumps(predictor.card.to_json(), sort_keys=True),
    )


def _mean_of_maps(
    plan: BulkPlan, fold: Fold, row: BulkRow, bags: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "n G"]:
    maps = {section: of.values for section, of in cell_maps(plan, fold, row)}
    means = [
        np.concatenate([maps[section][rows] for section, rows in plan.bulk.bags[bag].rows.items()])
        for bag in bags
    ]
    return np.stack([of.mean(axis=0, dtype=np.float64) for of in means])


def _names(bulk: BulkData, bags: Int[np.ndarray, " n"]) -> tuple[str, ...]:
    return tuple(bulk.bags[bag].name for bag in bags)


def _mapped(plan: BulkPlan, fold: Fold) -> list[str]:
    """Test sections with measured spots, for maps beside them."""
    return sorted(fold.test) if plan.bulk.table is None else []


def _folder(plan: BulkPlan, fold: Fold, row: BulkRow) -> Path:
    return plan.out / "predictions" / row.name / folder_name(fold)


def _map_file(plan: BulkPlan, fold: Fold, row: BulkRow, section: str) -> Path:
    return _folder(plan, fold, row) / f"{section}.h5ad"
