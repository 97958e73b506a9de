"""Tables of an answer: by step, by patient, by gene, and by distance to training."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.explain.finding import defined_mean
from histoscribe.explain.robust.curves import Curve
from histoscribe.explain.robust.results import CurveScores, RobustResults
from histoscribe.io.atomic import write_text
from histoscribe.io.csv_table import csv_text
from histoscribe.metrics.moments import pearson_per_gene

STEPS, PATIENTS, GENES, DISTANCES = "steps.csv", "patients.csv", "genes.csv", "distance.csv"


def write_tables(results: RobustResults, out: Path) -> tuple[str, ...]:
    """Write the tables and give their names, that of the steps first."""
    tables = {
        STEPS: pd.DataFrame(row for of in results.scores for row in _step_rows(of)),
        PATIENTS: pd.DataFrame(row for of in results.scores for row in _patient_rows(of)),
        GENES: _genes(results),
        DISTANCES: results.distances.table(),
    }
    for name, table in tables.items():
        write_text(out / name, csv_text(table))
    return tuple(tables)


def _step_rows(of: CurveScores) -> Iterator[dict[str, object]]:
    mean, (low, high), beyond = of.mean, of.band, _beyond(of.curve)
    for place, step in enumerate(of.positions):
        shifts = of.shifts[place - 1].ravel() if place else np.zeros(1)
        yield {
            "change": of.curve.name,
            "step": step,
            "unit": of.curve.change.unit,
            "score": mean[place],
            "chance_low": low[place],
            "chance_high": high[place],
            "drop": mean[0] - mean[place],
            "kept": mean[place] / mean[0] if mean[0] > high[0] else np.nan,
            "half_lost_at": of.half_at,
            "mean_change": defined_mean(shifts),
            "largest_change": np.nanmax(shifts, initial=0.0),
            "share_beyond_training": beyond[place] if beyond else np.nan,
        }


def _beyond(curve: Curve) -> list[float]:
    """Share of spots unlike the training, before and after each step; empty if not computed."""
    parts = [of.distance for of in curve.sections]
    joined = [np.concatenate(of) for of in zip(*parts, strict=True)]
    return [float((of > 1).mean()) if np.isfinite(of).all() else np.nan for of in joined]


def _patient_rows(of: CurveScores) -> Iterator[dict[str, object]]:
    for patient, scores in of.of_patients.items():
        for place, step in enumerate(of.positions):
            yield {
                "patient": patient,
                "change": of.curve.name,
                "step": step,
                "score": scores[place],
                "drop": scores[0] - scores[place],
            }


def _genes(results: RobustResults) -> pd.DataFrame:
    """Mean score of each gene over sections, unchanged and after the last step of each change."""
    table = pd.DataFrame({"gene": results.genes, "name": results.labels})
    table["score"] = _gene_means(
        [pearson_per_gene(of.before, of.measured) for of in results.predictions.unchanged]
    )
    for of in results.scores:
        table[of.curve.name] = _gene_means(
            [pearson_per_gene(one.after[-1], one.measured) for one in of.curve.sections]
        )
    return table


def _gene_means(scores: list[np.ndarray]) -> list[float]:
    return [defined_mean(column) for column in np.stack(scores).T]
