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
    by_section = run.scores[(run.scores["gene"] != "*") & (run.scores["section"] != "*")]
    tables = []
    for metric in HEADLINE:
        values = _by_patient(by_section[by_section["metric"] == metric])
        if len(values):
            tables.append(_table(metric, values))
    return tables


def _by_patient(scores: pd.DataFrame) -> pd.DataFrame:
    for levels in (["model", "patient", "section", "fold"], ["model", "patient"]):
        scores = scores.groupby(levels, sort=False)["value"].mean().reset_index()
    return scores


def _table(metric: str, values: pd.DataFrame) -> PatientTable:
    patients = tuple(sorted(str(name) for name in values["patient"].unique()))
    models = list(values["model"].unique())  # pivoting sorts; this restores the run's order
    wide = values.pivot(index="model", columns="patient", values="value")
    wide = wide.reindex(index=models, columns=list(patients))
    rows = tuple(
        (str(model), *(number(float(value)) for value in row))
        for model, row in zip(models, wide.to_numpy(dtype=float), strict=True)
    )
    return PatientTable(metric, patients, rows)
