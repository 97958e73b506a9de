"""The summary of a run: models by headline metric, and reference rows."""

import math
from dataclasses import dataclass

from histoscribe.benchmark.tables import chance_counts
from histoscribe.metrics.chance import ChanceCount
from histoscribe.report.run import Run
from histoscribe.report.text import number, span

HEADLINE = ("pcc", "pcc_given_depth")
REFERENCE_ROWS = {
    "oracle-depth": "each gene predicted from the measured total count of the spot: what depth "
    "alone explains. No model can use it, because it uses the counts.",
    "shuffled": "ridge trained on rows permuted within each section, many times: what chance alone "
    "reaches. The range below its mean contains 95 of 100 such runs (low and high in "
    "summary.csv); it is not an interval over patients. A difference inside it is not an "
    "improvement.",
}
"""Reference rows and their explanation; they are no models."""


@dataclass(frozen=True)
class Score:
    """One entry of `summary.csv`; NaN if undefined or without an interval."""

    mean: float = math.nan
    low: float = math.nan
    high: float = math.nan
    n_undefined: int = 0

    @property
    def text(self) -> str:
        """Mean as text."""
        return number(self.mean)

    @property
    def interval(self) -> str:
        """Interval as text; empty without one."""
        return span(self.low, self.high)


@dataclass(frozen=True)
class SummaryRow:
    """Row of one model in the summary."""

    model: str
    scores: tuple[Score, ...]
    """One score for each headline metric."""
    band: str
    """Position of `pcc_given_depth` relative to the shuffled band; empty if unknown."""
    chance: ChanceCount | None
    """Number of genes above their band and above chance; None for reference rows."""


def summary_rows(run: Run) -> tuple[list[SummaryRow], list[SummaryRow]]:
    """Rows of the models in the order of the run, and the reference rows."""
    names = models_of(run)
    models = [_row(run, name) for name in names if name not in REFERENCE_ROWS]
    return models, [_row(run, name) for name in REFERENCE_ROWS if name in names]


def models_of(run: Run) -> list[str]:
    """Names of all models in the summary, in its order."""
    return [str(name) for name in run.summary["model"].unique()]


def n_patients(run: Run) -> int:
    """Number of patients in `pcc`; metrics over folds have another number."""
    table = run.summary
    return int(table.loc[table["metric"].isin(HEADLINE), "n_patients"].max())


def score(run: Run, model: str, metric: str) -> Score:
    """Entry of the summary; undefined if the run has none."""
    found = run.summary_by_name.get((model, metric))
    return Score(*found) if found else Score()


def all_metrics(run: Run) -> tuple[list[str], list[tuple[str, ...]]]:
    """Metrics of the run, headline first, and per model its name and means."""
    known = [str(name) for name in run.summary["metric"].unique()]
    metrics = [*(m for m in HEADLINE if m in known), *(m for m in known if m not in HEADLINE)]
    return metrics, [
        (model, *(score(run, model, metric).text for metric in metrics)) for model in models_of(run)
    ]


def _row(run: Run, model: str) -> SummaryRow:
    scores = tuple(score(run, model, metric) for metric in HEADLINE)
    if model in REFERENCE_ROWS:
        return SummaryRow(model, scores, band="", chance=None)
    (chance,) = chance_counts(run.genes, [model]).values()
    return SummaryRow(model, scores, _against_band(run, model), chance)


def _against_band(run: Run, model: str) -> str:
    mean = score(run, model, "pcc_given_depth").mean
    band = score(run, "shuffled", "pcc_given_depth")
    if not (band.interval and math.isfinite(mean)):
        return ""
    if mean > band.high:
        return "above"
    return "below" if mean < band.low else "inside"
