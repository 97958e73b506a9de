"""Scores of each patient: for few patients, the only honest description of the spread."""

from dataclasses import dataclass

import pandas as pd

from histoscribe.report.run import Run
from histoscribe.report.summary import HEADLINE
from histoscribe.report.text import number

FEWEST_FOR_INTERVALS = 5


@dataclass(frozen=True)
class PatientTable:
    """Table of one metric: one row per model, one column per patient."""

    metric: str
    patients: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    """Model, then its value for each patient."""


def patient_tables(run: Run) -> list[PatientTable]:
    """Each headline metric by model and patient.

    Mean over the genes of a section, then over the sections of a patient (a section counts once for
    each fold that tested a part of it); undefined scores are left out, as in the summary.
    """
    tables = []
    for metric in HEADLINE:
        values = _by_patient(_by_section(run, metric))
        if len(values):
            tables.append(_table(metric, values))
    return tables


def patient_means(run: Run, metric: str) -> dict[str, dict[str, float]]:
    """Model -> patient -> mean, as in the tables; patients sorted."""
    wide = _wide(_by_patient(_by_section(run, metric)))
    return {
        str(model): {str(patient): float(value) for patient, value in row.items()}
        for model, row in wide.iterrows()
    }


def _by_section(run: Run, metric: str) -> pd.DataFrame:
    scores = run.scores
    per_gene = (scores["gene"] != "*") & (scores["section"] != "*")
    return scores[per_gene & (scores["metric"] == metric)]


def _by_patient(scores: pd.DataFrame) -> pd.DataFrame:
    for levels in (["model", "patient", "section", "fold"], ["model", "patient"]):
        scores = scores.groupby(levels, sort=False)["value"].mean().reset_index()
    return scores


def _wide(values: pd.DataFrame) -> pd.DataFrame:
    models = list(values["model"].unique())  # pivoting sorts; this restores the run's order
    wide = values.pivot(index="model", columns="patient", values="value")
    return wide.reindex(index=models, columns=sorted(wide.columns))


def _table(metric: str, values: pd.DataFrame) -> PatientTable:
    wide = _wide(values)
    rows = tuple(
        (str(model), *(number(float(value)) for value in row))
        for model, row in zip(wide.index, wide.to_numpy(dtype=float), strict=True)
    )
    return PatientTable(metric, tuple(str(name) for name in wide.columns), rows)
