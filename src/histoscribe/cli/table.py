"""Table of scores at the end of a benchmark."""

import math
from collections.abc import Mapping, Sequence

import pandas as pd
from rich import box
from rich.markup import escape
from rich.table import Table

from histoscribe.benchmark.band import SHUFFLED
from histoscribe.benchmark.card import per_patient
from histoscribe.benchmark.result import Benchmark
from histoscribe.benchmark.results import NOT_MODELS
from histoscribe.benchmark.tables import chance_counts
from histoscribe.cli.console import out
from histoscribe.metrics.chance import CHANCE_Q
from histoscribe.metrics.summary import MIN_PATIENTS
from histoscribe.printable import printable

MOST_IN_ROW = 2
"""Number of patients whose values for both metrics fit into 80 columns."""
HEADLINE = ("pcc", "pcc_given_depth")
_BRANDS = {"leaky": "LEAKY PROTOCOL; ", "leaky-training": "LEAKY PREDICTION; "}
"""Words in front of a table whose scores are too high, by the code of a check."""
SHORT = {"pcc": "pcc", "pcc_given_depth": "given depth"}


def print_result(result: Benchmark) -> None:
    """Print the models with their headline scores, then the checks, as text without markup.

    Intervals are over patients; below five patients their values are listed instead.
    """
    summary = result.summary
    values = per_patient(result.scores)
    patients = sorted({patient for of in values["pcc"].values() for patient in of})
    few = patients if len(patients) < MIN_PATIENTS else []
    together = len(few) <= MOST_IN_ROW
    for metrics in [HEADLINE] if together else [(metric,) for metric in HEADLINE]:
        out.print(_table(result, values, few, metrics))
    _print_band(summary)
    _print_genes(result)
    _print_checks(result)


def print_bulk(result: Benchmark) -> None:
    """Print the scores of a benchmark on bags, and its checks."""
    of_main = result.summary[result.summary["metric"].isin(result.main)]
    table = Table(title="mean over genes, then folds", title_justify="left", box=box.SIMPLE_HEAD)
    table.add_column("model", no_wrap=True)
    for metric in result.main:
        table.add_column(metric, justify="right")
    for model, rows in of_main.groupby("model", sort=False):
        means = rows.set_index("metric")["mean"]
        table.add_row(str(model), *(_mean(means.get(metric)) for metric in result.main))
    out.print(table)
    _print_checks(result)


def _mean(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"


def _print_checks(result: Benchmark) -> None:
    for check in result.checks:
        colour = "yellow" if check.level == "warning" else "cyan"
        words = escape(printable(f"{check.message}. {check.remedy}."))
        out.print(f"[{colour}]{check.code}[/]: {words}", highlight=False)
    if not result.checks:
        out.print("checks: all passed without a remark")


def _table(
    result: Benchmark,
    values: Mapping[str, Mapping[str, Mapping[str, float | None]]],
    few: Sequence[str],
    metrics: Sequence[str],
) -> Table:
    summary = result.summary
    codes = {check.code for check in result.checks}
    brand = "".join(words for code, words in _BRANDS.items() if code in codes)
    table = Table(
        title=f"{brand}mean over genes, then sections, then patients",
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("model", no_wrap=True)
    for metric in metrics:
        table.add_column(SHORT[metric], justify="right", no_wrap=True)
        for column in few or ["95 %"]:
            # long names are wrapped, numbers never
            table.add_column(escape(column), justify="right", overflow="fold", min_width=6)
    for model in dict.fromkeys(summary["model"]):
        rows = summary[summary["model"] == model].set_index("metric")
        cells = []
        for metric in metrics:
            of_patient = values[metric].get(str(model), {})
            cells += [_number(rows, metric, "mean")]
            cells += [_text(of_patient.get(p)) for p in few] or [_interval(rows, metric)]
        table.add_row(str(model), *cells)
    return table


def _print_band(summary: pd.DataFrame) -> None:
    rows = summary[summary["model"] == SHUFFLED].set_index("metric")
    bands = ", ".join(f"{metric} {_interval(rows, metric)}" for metric in HEADLINE)
    out.print(f"with labels shuffled, 95 of 100 runs lie in: {bands}", highlight=False)
    undefined = int(summary.loc[summary["metric"] == "pcc", "n_undefined"].max())
    out.print(f"undefined scores, left out of every mean: {undefined}", highlight=False)


def _print_genes(result: Benchmark) -> None:
    """Number of genes of each model above their own band, and above chance."""
    models = [name for name in dict.fromkeys(result.genes["model"]) if name not in NOT_MODELS]
    counts = chance_counts(result.genes, models)
    listed = ", ".join(f"{m} {c.n_above_band} ({c.n_above_chance})" for m, c in counts.items())
    first = next(iter(counts.values()))
    out.print(
        f"of {first.n_genes} genes, those above their own band, by chance up to "
        f"{first.n_by_chance:.0f} (with q < {CHANCE_Q:g}): {listed}\n",
        highlight=False,
    )


def _interval(rows: pd.DataFrame, metric: str) -> str:
    low, high = _number(rows, metric, "low"), _number(rows, metric, "high")
    return f"{low} to {high}" if low else ""


def _number(rows: pd.DataFrame, metric: str, column: str) -> str:
    return _text(float(rows[column].astype(float)[metric]))


def _text(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.3f}"
