"""Result of a benchmark: its tables and its folder."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pandas as pd

from histoscribe.benchmark.figures_of_run import gene_figure, models_figure
from histoscribe.display import notes_html, number_text, result_html, table_html
from histoscribe.plot.publication import PublicationFigure, Width, in_mm
from histoscribe.types import Check

MAIN = ("pcc", "pcc_given_depth")
"""Metrics of a benchmark on spots to show first."""


@dataclass(frozen=True, eq=False, repr=False)
class Benchmark:
    """Result of a benchmark; its run folder contains the same tables."""

    folder: Path
    """Run folder; a temporary one is removed when this result is no longer used."""
    summary: pd.DataFrame
    """One row per model and metric: mean over patients, with its interval, if any."""
    genes: pd.DataFrame
    """One row per model and gene."""
    scores: pd.DataFrame
    """One row per model, section, gene and metric."""
    checks: tuple[Check, ...]
    """Findings of the run's checks."""
    main: tuple[str, ...] = MAIN
    """Metrics to show first."""
    parts: pd.DataFrame = field(default_factory=pd.DataFrame)
    """One row per model and section, and its mean: the correlation over spots and genes in three
    parts that add up to it. Empty for a benchmark on bags.
    """

    def __repr__(self) -> str:
        n_warnings = sum(check.level == "warning" for check in self.checks)
        head = f"benchmark in {self.folder}, {n_warnings} warnings; means over patients:"
        return f"{head}\n{self._means().to_string(float_format='{:.3f}'.format)}"

    def _repr_html_(self) -> str:
        """Show means over patients with their intervals, and the warnings, in a notebook."""
        rows = [
            (model, *(_with_interval(of_model, metric) for metric in self.main))
            for model, of_model in self.summary.groupby("model", sort=False)
        ]
        warnings = [check.message for check in self.checks if check.level == "warning"]
        return result_html(
            "Benchmark",
            [("means over patients in", self.folder)],
            table_html(("model", *self.main), [row for row in rows if any(row[1:])]),
            notes_html(f"Warning: {warning}" for warning in warnings),
        )

    def figure(
        self,
        kind: Literal["models", "map"],
        *,
        gene: str | None = None,
        model: str | None = None,
        section: str | None = None,
        width: Width = "double",
        tissue: bool = True,
    ) -> PublicationFigure:
        """A figure of the run for a page: vector, text of 8 points, size in mm.

        Parameters
        ----------
        kind
            `models`: scores of all models, a dot a patient. `map`: a gene in a section, measured
            and predicted.
        gene
            Of a map: its id or symbol.
        model, section
            Of a map: by default the best model of the run, and the section in which the gene has
            the median of its scores.
        width
            `single` (88 mm) or `double` (180 mm) column, or a number of mm.
        tissue
            Whether a map shows the H&E below the spots.

        Raises
        ------
        DataContractError
            for a gene, model or section that the run lacks, and for a benchmark on bags.

        Examples
        --------
        >>> import histoscribe as hs
        >>> run = hs.benchmark("cohort.csv", ["knn", "ridge"])  # doctest: +SKIP
        >>> run.figure("models", width="single").savefig("models.pdf")  # doctest: +SKIP
        """
        if kind not in ("models", "map"):
            raise ValueError(f"no figure {kind!r}; choose models or map")
        if (kind == "map") != (gene is not None):
            raise ValueError("a map needs a gene: gene='ERBB2'; other figures have none")
        if gene is not None:
            names = (gene, model, section)
            return gene_figure(self.folder, self.scores, names, in_mm(width), tissue=tissue)
        return models_figure(self.folder, self.summary, self.main, in_mm(width))

    def plot(
        self, gene: str, model: str | None = None, section: str | None = None
    ) -> PublicationFigure:
        """A gene in a section, measured and predicted: `figure("map", gene=gene, ...)`.

        Examples
        --------
        >>> import histoscribe as hs
        >>> run = hs.benchmark("cohort.csv", ["knn", "ridge"])  # doctest: +SKIP
        >>> run.plot("ERBB2", model="knn")  # doctest: +SKIP
        """
        return self.figure("map", gene=gene, model=model, section=section)

    def _means(self) -> pd.DataFrame:
        """Main scores, one model per row, in the order of the run."""
        of_main = self.summary[self.summary["metric"].isin(self.main)]
        table = of_main.pivot_table(index="model", columns="metric", values="mean", sort=False)
        return table.reindex(columns=list(self.main)).rename_axis(index=None, columns=None)


def _with_interval(summary: pd.DataFrame, metric: str) -> str:
    """Mean of a metric, with its interval over patients; empty where a row lacks the metric."""
    of_metric = summary[summary["metric"] == metric]
    if of_metric.empty:
        return ""
    mean, low, high = (float(of_metric.iloc[0][name]) for name in ("mean", "low", "high"))
    interval = "" if math.isnan(low) else f" ({number_text(low)} to {number_text(high)})"
    return f"{number_text(mean)}{interval}"
