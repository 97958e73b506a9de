"""Figures of an answer: scores and changes over the steps, example tiles, errors over distance."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.explain.finding import defined_mean
from histoscribe.explain.robust.changes import GRADIENT, NOISE
from histoscribe.explain.robust.curves import Curve
from histoscribe.explain.robust.results import CurveScores, RobustResults
from histoscribe.plot.contact_sheet import SheetRow, SheetTile, draw_contact_sheet
from histoscribe.plot.score_curves import (
    DistanceBins,
    StepCurve,
    draw_distance_bins,
    draw_step_curves,
)

SCORES, CHANGES_FIGURE, TILES, DISTANCE = (
    "scores.png",
    "changes.png",
    "tiles.png",
    "distance.png",
)
_NONE = "none"


def draw_pictures(results: RobustResults, title: str, out: Path) -> tuple[str, ...]:
    """Write the figures and give their names, that of the scores first."""
    noise = next((of for of in results.scores if of.curve.name == NOISE), None)
    drawn = [of for of in results.scores if of.curve.name != NOISE]
    below = (
        "Score: correlation with measured values over the spots of a section, mean over genes. "
        "By chance: the same predictions with directions drawn anew, middle 95 %."
    )
    if noise is not None:
        below += " Dashed: pixels changed by as much at random."
    scores = [_score_curve(of, noise) for of in drawn]
    draw_step_curves(scores, "score", f"{title}: scores", below, out / SCORES)
    below = "Mean over spots and genes of the size of the change, in deviations of the gene."
    changes = [_change_curve(of, results) for of in drawn]
    words = "change of the prediction"
    draw_step_curves(changes, words, f"{title}: predictions", below, out / CHANGES_FIGURE)
    _draw_tiles(results, title, out / TILES)
    figures = [SCORES, CHANGES_FIGURE, TILES]
    table = results.distances.table()
    if table["n_spots"].sum():
        _draw_distance(table, title, out / DISTANCE)
        figures.append(DISTANCE)
    return tuple(figures)


def _labels(of: CurveScores) -> tuple[str, ...]:
    return (_NONE, *(f"{step:g}" for step in of.curve.steps))


def _beside(of: CurveScores, values: np.ndarray | None) -> tuple[str, np.ndarray] | None:
    return None if of.curve.name != GRADIENT or values is None else ("at random", values)


def _score_curve(of: CurveScores, noise: CurveScores | None) -> StepCurve:
    return StepCurve(
        title=of.curve.name,
        labels=_labels(of),
        unit=of.curve.change.unit or "strength",
        mean=of.mean,
        of_patients=np.stack(list(of.of_patients.values())),
        band=of.band,
        compared=_beside(of, None if noise is None else noise.mean),
    )


def _change_curve(of: CurveScores, results: RobustResults) -> StepCurve:
    mean = [0.0, *(defined_mean(shifts.ravel()) for shifts in of.shifts)]
    noise = [0.0, *(float(draws.mean()) for draws in results.predictions.noise.values())]
    return StepCurve(
        title=of.curve.name,
        labels=_labels(of),
        unit=of.curve.change.unit or "strength",
        mean=np.array(mean),
        of_patients=np.zeros((0, len(mean))),
        band=None,
        compared=_beside(of, np.array(noise)),
    )


def _draw_tiles(results: RobustResults, title: str, path: Path) -> None:
    rows = [SheetRow(of.curve.name, tuple(_tiles(of.curve))) for of in results.scores]
    n_columns = max(len(row.tiles) for row in rows)
    section = results.predictions.unchanged[0].section
    below = f"One tile of section {section.id} as the model reads it, before and after each step."
    draw_contact_sheet(rows, f"{title}: tiles", below, path, n_columns=n_columns)


def _tiles(curve: Curve) -> Iterator[SheetTile]:
    labels = (_NONE, *map(curve.change.label, curve.steps))
    for tile, label in zip(curve.sections[0].tiles, labels, strict=True):
        yield SheetTile(tile, (label,))


def _draw_distance(table: pd.DataFrame, title: str, path: Path) -> None:
    by_bin = table.groupby(["distance_from", "distance_to"], sort=True)
    n_spots = by_bin["n_spots"].sum()
    ranges = [
        f"{low:g}-{high:g}" if np.isfinite(high) else f">{low:g}" for low, high in n_spots.index
    ]
    numbers = {
        "error": "error of a spot, in deviations of the gene",
        "spread": "deviation of the prediction, of all spots",
    }
    bins = [
        DistanceBins(
            title=words,
            ranges=tuple(ranges),
            of_patients=table.pivot(
                index="patient", columns="distance_from", values=name
            ).to_numpy(),
            n_spots=n_spots.to_numpy(),
        )
        for name, words in numbers.items()
    ]
    below = "Distance 1: within it, 95 % of the training spots have one of another group."
    draw_distance_bins(bins, f"{title}: distance to training", below, path)
