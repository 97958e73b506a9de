"""The genes that the best model predicts best, with their chance level."""

from dataclasses import dataclass

from histoscribe.report.run import Run
from histoscribe.report.text import number, span
from histoscribe.ties import best_first

_TOP = 20
_NUMBERS = ["pcc", "pcc_given_depth", "null_low", "null_high", "q", "detection_rate", "skewness"]


@dataclass(frozen=True)
class GeneTable:
    """The first genes of the best model, ordered by `pcc_given_depth`.

    The page shows it where its script does not run; with the script, the table has every gene and
    model.
    """

    model: str
    n_genes: int
    rows: tuple[tuple[str, ...], ...]
    """Gene, pcc, pcc_given_depth, null band, q, detection rate, skewness."""


def gene_table(run: Run) -> GeneTable:
    """Table of the best model; undefined genes come last, and ties are sorted by name."""
    by_name = run.genes[run.genes["model"] == run.best_model].sort_values("gene")
    order = best_first(by_name["pcc_given_depth"].to_numpy(dtype=float))
    first = by_name.iloc[order].head(_TOP)
    rows = tuple(
        _row(run.label(str(name)), *(float(value) for value in values))
        for name, values in zip(first["gene"], first[_NUMBERS].to_numpy(dtype=float), strict=True)
    )
    return GeneTable(run.best_model, len(by_name), rows)


def _row(name: str, *values: float) -> tuple[str, ...]:
    pcc, given_depth, low, high, *rest = values
    band = span(low, high) or "—"
    return (name, number(pcc), number(given_depth), band, *(number(value) for value in rest))
