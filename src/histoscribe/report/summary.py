"""The summary of a run: models by headline metric, and what stands beside them."""

import math
from dataclasses import dataclass

import pandas as pd

from histoscribe.report.run import Run
from histoscribe.report.text import number, span

HEADLINE = ("pcc", "pcc_given_depth")
BESIDE = {
    "oracle-depth": "each gene regressed on the measured total count of the spot: what depth "
    "alone explains. No model can use it, for it looks at the counts.",
    "shuffled": "ridge trained on rows permuted within each section, many times: what "
    "chance alone reaches. The range below its mean holds 95 of 100 such runs (low and high "
    "in summary.csv); it is no interval over patients. A difference inside it is not an "
    "improvement.",
}
"""Rows that stand beside the models, never among them."""


@dataclass(frozen=True)
class Score:
    """One entry of `summary.csv`; NaN where undefined, or where there is no interval."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n_undefined: int = 0

    @property
    def text(self) -> str:
        """The mean."""
        return number(self.mean)

    @property
    def interval(self) -> str:
        """The interval; empty where there is none."""
        return span(self.low, self.high)


@dataclass(frozen=True)
class SummaryRow:
    """One model of the summary."""

    model: str
    scores: tuple[Score, ...]
    """One for each headline metric."""
    band: str
    """Where `pcc_given_depth` lies against the shuffled band; empty where unknown."""
    genes: str
    """Genes above chance at q < 0.05, of how many; empty where q is unknown."""


def summary_rows(run: Run) -> tuple[list[SummaryRow], list[SummaryRow]]:
    """Give the rows of the models, in the order of the run, and those that stand beside them."""
    names = models_of(run)
    models = [_row(run, name) for name in names if name not in BESIDE]
    return models, [_row(run, name) for name in BESIDE if name in names]


def models_of(run: Run) -> list[str]:
    """Every name in the summary, in its order."""
    return [str(name) for name in run.summary["model"].unique()]


def n_patients(run: Run) -> int:
    """Patients behind the summary: those of `pcc`, for a metric over folds counts otherwise."""
    table = run.summary
    return int(table.loc[table["metric"].isin(HEADLINE), "n_patients"].max())


def score(run: Run, model: str, metric: str) -> Score:
    """One entry of the summary; undefined where the run has none."""
    found = run.summary_by_name.get((model, metric))
    return Score(*found) if found else Score()


def all_metrics(run: Run) -> tuple[list[str], list[tuple[str, ...]]]:
    """Give the metrics of the run, headline first, and per model its name and the means."""
    known = [str(name) for name in run.summary["metric"].unique()]
    metrics = [*(m for m in HEADLINE if m in known), *(m for m in known if m not in HEADLINE)]
    return metrics, [
        (model, *(score(run, model, metric).text for metric in metrics)) for model in models_of(run)
    ]


def _row(run: Run, model: str) -> SummaryRow:
    scores = tuple(score(run, model, metric) for metric in HEADLINE)
    if model in BESIDE:
        return SummaryRow(model, scores, band="", genes="")
    genes = _genes_above_chance(run.genes[run.genes["model"] == model])
    return SummaryRow(model, scores, _against_band(run, model), genes)


def _against_band(run: Run, model: str) -> str:
    mean = score(run, model, "pcc_given_depth").mean
    band = score(run, "shuffled", "pcc_given_depth")
    if not (band.interval and math.isfinite(mean)):
        return ""
    if mean > band.high:
        return "above"
    return "below" if mean < band.low else "inside"


def _genes_above_chance(genes: pd.DataFrame) -> str:
    q = genes["q"].to_numpy(dtype=float)
    known = q[~pd.isna(q)]
    return f"{int((known < 0.05).sum())} of {len(q)}" if known.size else ""
