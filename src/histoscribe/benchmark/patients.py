"""Patients as a model of bags predicts them: one value a gene, scored over patients.

A patient's value is the mean of its spots in the target's unit: the label that a model of bags is
trained on. Models of spots and of sections get theirs as the mean of their predictions, so that
all rows of the table say the same thing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.benchmark.cell import cell_bags
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import Scored, Truth
from histoscribe.metrics.registry import METRICS, BagMetric
from histoscribe.predictor.fitted_model import BagValues
from histoscribe.types import Fold

COLUMNS = ("model", "metric", "gene", "value", "n_patients")


@dataclass(frozen=True, eq=False)
class PatientValues:
    """What one model predicted for the test patients of one fold, beside what was measured."""

    model: str
    fold: str
    patients: tuple[str, ...]
    genes: tuple[str, ...]
    predicted: Float[np.ndarray, "M G"]
    measured: Float[np.ndarray, "M G"]
    """NaN for a gene that a section of the patient did not measure."""


def scored_by_patient(plan: RunPlan) -> bool:
    """Whether a row of the run predicts patients: then all rows are scored by patient, too."""
    return any(row.item == "bag" for row in plan.settings.rows)


def patients_table(values: Sequence[PatientValues]) -> pd.DataFrame:
    """One row a model, metric and gene: the scores over all test patients.

    A gene that is in the panel of some folds only is scored over their patients. `mape` is
    undefined where a target may be below zero: no scale of such a target is linear.
    """
    rows: list[tuple[object, ...]] = []
    for model in dict.fromkeys(part.model for part in values):
        of_model = [part for part in values if part.model == model]
        genes = tuple(sorted({gene for part in of_model for gene in part.genes}))
        predicted = np.concatenate([_columns(p.genes, p.predicted, genes) for p in of_model])
        measured = np.concatenate([_columns(p.genes, p.measured, genes) for p in of_model])
        n_patients = (np.isfinite(predicted) & np.isfinite(measured)).sum(axis=0)
        for metric, scores in _scores(predicted, measured):
            found = zip(genes, scores, n_patients, strict=True)
            rows.extend((model, metric, gene, score, int(n)) for gene, score, n in found)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def patient_rows(table: pd.DataFrame) -> list[tuple[object, ...]]:
    """Rows of summary.csv: each model's mean over genes; there is no interval over patients."""
    rows: list[tuple[object, ...]] = []
    for (model, metric), part in table.groupby(["model", "metric"], sort=False):
        defined = part["value"].dropna()
        mean = float(defined.mean()) if len(defined) else np.nan
        n_undefined = len(part) - len(defined)
        rows.append((model, metric, mean, None, None, int(part["n_patients"].max()), n_undefined))
    return rows


def fold_patients(plan: RunPlan, fold: Fold, scored: Sequence[Scored]) -> list[PatientValues]:
    """The values of the test patients of a fold by each row; none where no row predicts patients.

    `scored` has every row of the run in every test section of the fold.
    """
    if not scored_by_patient(plan):
        return []
    found = []
    for row in plan.settings.rows:
        parts = [(s.truth, s.evaluated.predicted) for s in scored if s.model == row.name]
        bags = cell_bags(plan, fold, row.name) if row.item == "bag" else None
        found.append(patient_values(row.name, fold.name, parts, bags))
    return found


def patient_values(
    model: str,
    fold: str,
    parts: Sequence[tuple[Truth, Float[np.ndarray, "_ G"]]],
    bags: BagValues | None,
) -> PatientValues:
    """Values of patients, from the truth of each of their sections beside its prediction.

    `bags` are those of a model of bags; for others the mean over the spots is taken.
    """
    patients = tuple(sorted({truth.patient for truth, _ in parts}))
    means = [_means(parts, patient) for patient in patients]
    predicted = np.stack([predicted for predicted, _ in means])
    if bags is not None:
        predicted = bags.values[[bags.patients.index(patient) for patient in patients]]
    return PatientValues(
        model=model,
        fold=fold,
        patients=patients,
        genes=parts[0][0].genes,
        predicted=predicted.astype(np.float64),
        measured=np.stack([measured for _, measured in means]),
    )


def _means(
    parts: Sequence[tuple[Truth, Float[np.ndarray, "_ G"]]], patient: str
) -> tuple[Float[np.ndarray, " G"], Float[np.ndarray, " G"]]:
    own = [(predicted, truth.measured) for truth, predicted in parts if truth.patient == patient]
    predicted, measured = (
        np.concatenate(of).mean(axis=0, dtype=np.float64) for of in zip(*own, strict=True)
    )
    return predicted, measured


def _columns(
    own: tuple[str, ...], values: Float[np.ndarray, "M G"], genes: tuple[str, ...]
) -> Float[np.ndarray, "M all"]:
    """Values in the order of all genes; NaN for those that this fold's panel lacks."""
    ordered = np.full((len(values), len(genes)), np.nan)
    ordered[:, [genes.index(gene) for gene in own]] = values
    return ordered


def _scores(
    predicted: Float[np.ndarray, "M G"], measured: Float[np.ndarray, "M G"]
) -> Iterator[tuple[str, Float[np.ndarray, " G"]]]:
    for metric in METRICS.values():
        if isinstance(metric, BagMetric):
            linear = metric.id != "mape" or not (measured < 0).any()
            scores = metric.of(predicted, measured)
            yield metric.id, scores if linear else np.full(len(scores), np.nan)
