"""Scores of models and patients, as data of the page's dot plot."""

import math
from typing import Any

from histoscribe.report.patients import FEWEST_FOR_INTERVALS, patient_means
from histoscribe.report.run import Run
from histoscribe.report.summary import HEADLINE, REFERENCE_ROWS, models_of, n_patients, score

_LINES = ("depth", "oracle-depth")
"""Rows drawn as lines through all models: what depth alone reaches."""


def model_dots(run: Run) -> list[dict[str, Any]]:
    """For each headline metric: a dot per patient, mean, interval, shuffled band and lines.

    Intervals need five patients: below, `low` and `high` of a model are None.
    """
    return [_dots(run, metric) for metric in HEADLINE]


def _dots(run: Run, metric: str) -> dict[str, Any]:
    means = patient_means(run, metric)
    names = [name for name in models_of(run) if name not in REFERENCE_ROWS]
    patients = list(next(iter(means.values()), {}))
    band = score(run, "shuffled", metric)
    return {
        "metric": metric,
        "patients": patients,
        "rows": [_row(run, name, metric, means.get(name, {}), patients) for name in names],
        "band": [band.low, band.high] if band.interval else None,
        "lines": [
            {"name": name, "value": mean}
            for name in _LINES
            if math.isfinite(mean := score(run, name, metric).mean)
        ],
    }


def _row(
    run: Run, model: str, metric: str, means: dict[str, float], patients: list[str]
) -> dict[str, Any]:
    summary = score(run, model, metric)
    with_interval = n_patients(run) >= FEWEST_FOR_INTERVALS and bool(summary.interval)
    return {
        "model": model,
        "dots": [_finite(means.get(patient, math.nan)) for patient in patients],
        "mean": _finite(summary.mean),
        "low": summary.low if with_interval else None,
        "high": summary.high if with_interval else None,
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
