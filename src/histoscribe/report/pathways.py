"""Pathways of a run: coverage, scores beside chance, for each model that predicts them."""

from dataclasses import dataclass

import pandas as pd

from histoscribe.report.run import Run
from histoscribe.report.text import number, span
from histoscribe.ties import best_first

_NUMBERS = [
    *("members_in_panel", "members"),
    *("pcc", "pcc_given_depth", "null_low", "null_high", "q"),
]
_SOURCES = {"scores": "scores of its head", "genes": "activity of its predicted genes"}


@dataclass(frozen=True)
class PathwayTable:
    """Pathways of one model, ordered by `pcc_given_depth`."""

    model: str
    source: str
    """What predicts activity, in words."""
    of_head: bool
    """Whether a head of the network predicts it, not the predicted genes."""
    rows: tuple[tuple[str, ...], ...]
    """Pathway, members in the panel and all, pcc, pcc_given_depth, null band, q."""


def pathway_tables(run: Run) -> list[PathwayTable]:
    """One table per model and source, heads first; empty for a run without gene sets."""
    if run.pathways is None:
        return []
    overall = run.pathways[run.pathways["section"] == "*"]
    tables = [
        PathwayTable(str(model), _SOURCES[str(source)], source == "scores", _rows(own))
        for (model, source), own in overall.groupby(["model", "source"], sort=False)
    ]
    return sorted(tables, key=lambda table: not table.of_head)


def _rows(own: pd.DataFrame) -> tuple[tuple[str, ...], ...]:
    by_name = own.sort_values("pathway")
    first = by_name.iloc[best_first(by_name["pcc_given_depth"].to_numpy(dtype=float))]
    values = first[_NUMBERS].to_numpy(dtype=float)
    return tuple(
        _row(str(name), *(float(value) for value in row))
        for name, row in zip(first["pathway"], values, strict=True)
    )


def _row(name: str, *values: float) -> tuple[str, ...]:
    in_panel, members, pcc, given_depth, low, high, q = values
    band = span(low, high) or "—"
    covered = f"{in_panel:.0f} of {members:.0f}"
    return (name, covered, number(pcc), number(given_depth), band, number(q))
