"""Training and test spots of a fold as tables."""

from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Int

from histoscribe.data.activity import measured_activity
from histoscribe.data.images import StackedTiles
from histoscribe.data.items.spots import SpotQueries, places_um
from histoscribe.data.target import Parts, Target
from histoscribe.io.cohorts.patient_sites import sites_of
from histoscribe.train.any_angle import turn_margin_px
from histoscribe.train.concept_values import concept_values
from histoscribe.train.row import ModelRow
from histoscribe.train.run_data import RunData
from histoscribe.types import Cohort, Fold, Pathways, Section, SpotKeys, SpotRows, SpotTable


def training_table(
    run_data: RunData, fold: Fold, target: Target, encoder: str | None, *, tiles: bool = False
) -> SpotTable:
    """Training spots of a fold as a table for fitting, sections in sorted order.

    Jittered views follow the unchanged spots. Inner splits fit on all views and choose on unchanged
    spots, which are like test spots. With `tiles`, a model can read pixels.
    """
    parts, cohort = sorted(fold.train.items()), run_data.cohort
    views = range(1 + run_data.tiles.n_views)
    stacked = len(views) * parts
    n_spots = sum(len(rows) for _, rows in parts)
    starts = np.array([view * n_spots for view in views])
    found = run_data.pathways(fold.train, target)
    sets = None if found is None else found.pathways
    return SpotTable(
        feature=np.concatenate(
            [run_data.features(encoder, s, fold, view=v)[rows] for v in views for s, rows in parts]
        ),
        target=np.concatenate([target.apply(cohort[s], rows) for s, rows in stacked]),
        log_total=np.concatenate([log_total(cohort, s, rows) for s, rows in stacked]),
        keys=SpotKeys.concatenate([_keys(cohort[s], rows) for s, rows in stacked]),
        inner=tuple(
            (
                (starts[:, None] + _places(fold.train, inner.fit)).ravel(),
                _places(fold.train, inner.val),
            )
            for inner in fold.inner
        ),
        encoder=run_data.source(encoder).open(fold).identity,
        copies=len(views),
        image=run_data.tiles.training(fold) if tiles else None,
        xy_um=np.concatenate([places_um(cohort[s])[rows] for s, rows in stacked]),
        counts=_counts(target, [(cohort[s], rows) for s, rows in stacked])
        if run_data.settings.train.counts is not None
        else None,
        pathways=np.tile(training_activity(run_data, fold, target, sets), (len(views), 1))
        if sets is not None and run_data.settings.train.pathway_weight > 0
        else None,
        concept=concept_values(run_data, fold),
        gene_sets=sets,
        sites=sites_of((str(cohort.patients[s]), cohort.facts[s]) for s, _ in parts) or None,
    )


def fit_and_val_rows(
    table: SpotTable, keep: Literal["best", "last"]
) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " val"] | None]:
    """Rows for training, and rows for choosing the epoch (None if the last epoch is kept).

    With leaked test spots all rows are for training.
    """
    if keep == "best" and table.inner and table.leaked is None:
        return table.inner[0]
    return np.arange(len(table.target)), None


def row_table(run_data: RunData, fold: Fold, target: Target, row: ModelRow) -> SpotTable:
    """Training table of a row, with the tiles that it reads or turns.

    With the named leak `epoch`, that of a network has the test spots beside the training spots.
    """
    table = training_table(run_data, fold, target, row.encoder, tiles=row.sees_tiles)
    if row.is_network and fold.test and "epoch" in run_data.settings.folds.leaks:
        table = replace(table, leaked=_leaked_table(run_data, fold, target, row))
    if not row.reads_corners:
        return table
    margin_px = turn_margin_px(run_data.settings.inputs.tile_px)
    return replace(table, margin_image=run_data.tiles.training(fold, margin_px))


def section_queries(run_data: RunData, row: ModelRow, section: str, fold: Fold) -> SpotQueries:
    """Test spots of a section as queries for a fitted row."""
    rows, of = fold.test[section], run_data.cohort[section]
    image = None
    if row.sees_tiles:
        image = StackedTiles([(run_data.tiles.pixels(section, fold), rows)])
    return SpotQueries(
        feature=run_data.features(row.encoder, section, fold)[rows],
        keys=_keys(of, rows),
        encoder=run_data.source(row.encoder).open(fold).identity,
        image=image,
        xy_um=places_um(of)[rows],
    )


def _leaked_table(run_data: RunData, fold: Fold, target: Target, row: ModelRow) -> SpotTable:
    """Test spots of a fold with their labels."""
    parts = sorted(fold.test.items())
    spots = SpotQueries.concatenate([section_queries(run_data, row, s, fold) for s, _ in parts])
    return SpotTable(
        feature=spots.feature,
        target=np.concatenate([target.apply(run_data.cohort[s], rows) for s, rows in parts]),
        log_total=np.concatenate([log_total(run_data.cohort, s, rows) for s, rows in parts]),
        keys=spots.keys,
        inner=(),
        encoder=spots.encoder,
        image=spots.image,
    )


def training_activity(
    run_data: RunData, fold: Fold, target: Target, sets: Pathways
) -> Float32[np.ndarray, "N P"]:
    """Measured activity of each pathway in the training spots, sections in sorted order."""
    return np.concatenate(
        [
            measured_activity(target.panel_counts(run_data.cohort[section], rows), sets)
            for section, rows in sorted(fold.train.items())
        ]
    )


def log_total(cohort: Cohort, section: str, rows: np.ndarray) -> Float[np.ndarray, " rows"]:
    """log(1 + total count) of these spots, over all genes measured."""
    return np.log1p(cohort[section].measured.total[rows])


def _counts(target: Target, parts: Parts) -> Float32[np.ndarray, "N G"]:
    """Raw counts of the panel."""
    counts = [target.panel_counts(section, rows).counts for section, rows in parts]
    return np.concatenate(counts, dtype=np.float32)


def _keys(section: Section, rows: Int[np.ndarray, " rows"]) -> SpotKeys:
    return SpotKeys.of_section(section.id, section.patient, section.spots.ids).take(rows)


def _places(train: SpotRows, part: SpotRows) -> np.ndarray:
    """Row numbers of `part` in the table that stacks `train` in sorted order of section."""
    places, start = [], 0
    for section, rows in sorted(train.items()):
        if section in part:
            places.append(start + np.searchsorted(rows, part[section]))
        start += len(rows)
    return np.concatenate(places)
