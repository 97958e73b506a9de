"""The table a benchmark ends with."""

import math

import pandas as pd
from rich.table import Table

from histoscribe.benchmark.run import Benchmark
from histoscribe.benchmark.score import EVERY
from histoscribe.cli.console import out

HEADLINE = ("pcc", "pcc_given_depth")


def print_result(result: Benchmark) -> None:
    """Print the models with their headline scores, by patient below five, then the checks."""
    summary = result.summary
    patients = sorted({p for p in result.scores["patient"] if "+" not in p})
    few = len(patients) < 5
    table = Table(title="mean over genes, sections, patients", title_justify="left")
    table.add_column("model", no_wrap=True)
    for metric in HEADLINE:
        table.add_column(metric, no_wrap=True)
        for patient in patients if few else ():
            table.add_column(patient, justify="right")
    table.add_column("undefined", justify="right")
    for model in dict.fromkeys(summary["model"]):
        rows = summary[summary["model"] == model].set_index("metric")
        table.add_row(str(model), *_cells(result, str(model), rows, patients if few else []))
    out.print(table)
    out.print("the interval of `shuffled` is its 100 runs; of a model, its patients (from five on)")
    for check in result.checks:
        colour = "yellow" if check.level == "warning" else "cyan"
        out.print(f"[{colour}]{check.code}[/]: {check.message}. {check.remedy}.", highlight=False)


def _cells(result: Benchmark, model: str, rows: pd.DataFrame, patients: list[str]) -> list[str]:
    cells = []
    for metric in HEADLINE:
        mean, low, high = rows.loc[[metric], ["mean", "low", "high"]].to_numpy(dtype=float)[0]
        interval = "" if math.isnan(low) else f" ({_number(low)} to {_number(high)})"
        cells.append(_number(mean) + interval)
        cells.extend(_number(_of_patient(result, model, metric, patient)) for patient in patients)
    return [*cells, str(rows.loc["pcc", "n_undefined"])]


def _of_patient(result: Benchmark, model: str, metric: str, patient: str) -> float:
    scores = result.scores
    rows = scores[
        (scores["model"] == model)
        & (scores["metric"] == metric)
        & (scores["patient"] == patient)
        & (scores["section"] != EVERY)
    ]
    return float(rows.groupby(["fold", "section"])["value"].mean().mean())


def _number(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3f}"
