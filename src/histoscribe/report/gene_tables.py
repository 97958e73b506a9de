"""The genes that each model predicts best, with their chance level."""

from dataclasses import dataclass

import pandas as pd

from histoscribe.report.run import Run
from histoscribe.report.text import number, span
from histoscribe.ties import best_first

_TOP = 20
_NUMBERS = ["pcc", "pcc_given_depth", "null_low", "null_high", "q", "detection_rate", "skewness"]


@dataclass(frozen=True)
class GeneTable:
    """The first genes of one model, ordered by `pcc_given_depth`."""

    model: str
    n_genes: int
    rows: tuple[tuple[str, ...], ...]
    """Gene, pcc, pcc_given_depth, null band, q, detection rate, skewness."""


def gene_tables(run: Run) -> list[GeneTable]:
    """One table per model, in the order of the run; undefined genes come last."""
    return [
        GeneTable(str(model), len(genes), _rows(run, genes))
        for model, genes in run.genes.groupby("model", sort=False)
    ]


def _rows(run: Run, genes: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    # ties are sorted by name, so that the same run gives the same page
    by_name = genes.sort_values("gene")
    order = best_first(by_name["pcc_given_depth"].to_numpy(dtype=float))
    first = by_name.iloc[order].head(_TOP)
    return tuple(
        _row(run.label(str(name)), *(float(value) for value in values))
        for name, values in zip(first["gene"], first[_NUMBERS].to_numpy(dtype=float), strict=True)
    )


def _row(name: str, *values: float) -> tuple[str, ...]:
    pcc, given_depth, low, high, *rest = values
    band = span(low, high) or "—"
    return (name, number(pcc), number(given_depth), band, *(number(value) for value in rest))
