"""Loss and inner score of each epoch of the networks of a run, as lines of a small chart."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from histoscribe.predictor.steering_curve import STEERING_FILE
from histoscribe.predictor.training_curve import TRAINING_FILE
from histoscribe.report.line_chart import Line, LineChart, line_chart

_MOST_LINES = 40  # folds and members in a chart; more cannot be told apart
_Tables = dict[str, pd.DataFrame]  # of each fold


@dataclass(frozen=True)
class TrainingCurves:
    """Training of one row of the tables in every fold."""

    row: str
    loss: LineChart | None
    """None for a network without a loss of each epoch."""
    inner_score: LineChart | None
    """None for a network without validation patients; rows with one metric share the scale."""
    shares: LineChart | None
    """Share of each loss in the gradient; None for a network that no concept steered."""
    metric: str
    kept: str
    """Epochs whose weights are the result, and how many there were."""


def training_curves(folder: Path, rows: tuple[str, ...]) -> tuple[TrainingCurves, ...]:
    """Curves of the rows that were trained by epochs; empty in a run of an older version."""
    return tuple(_curves_of(folder, rows))


def _curves_of(folder: Path, rows: tuple[str, ...]) -> Iterator[TrainingCurves]:
    found = {row: _tables(folder, row, TRAINING_FILE) for row in rows}
    trained = {row: of for row, of in found.items() if any(len(table) for table in of.values())}
    scores: dict[str, list[float]] = {}
    for of in trained.values():
        known = pd.concat(of.values())["inner_score"].dropna()
        scores.setdefault(_metric(of), []).extend(known.astype(float))
    for row, of in trained.items():
        yield _curves(row, of, _tables(folder, row, STEERING_FILE), scores[_metric(of)])


def _tables(folder: Path, row: str, name: str) -> _Tables:
    paths = sorted((folder / "predictors" / row).glob(f"*/{name}"))
    return {path.parent.name: pd.read_csv(path) for path in paths}


def _metric(tables: _Tables) -> str:
    names = {str(name) for table in tables.values() for name in table["metric"].dropna()}
    return ", ".join(sorted(names))


def _curves(row: str, tables: _Tables, steered: _Tables, scores: Sequence[float]) -> TrainingCurves:
    kept = [int(epoch) for table in tables.values() for epoch in table[table["kept"] == 1]["epoch"]]
    trained = [int(table["epoch"].max()) for table in tables.values() if len(table)]
    return TrainingCurves(
        row=row,
        loss=_chart(tables, "loss"),
        inner_score=_chart(tables, "inner_score", scores),
        shares=_share_chart(steered),
        metric=_metric(tables),
        kept=f"{_span(sorted(kept))} of {_span(sorted(trained))}",
    )


def _chart(tables: _Tables, column: str, around: Sequence[float] = ()) -> LineChart | None:
    lines = [line for fold, table in tables.items() for line in _lines(fold, table, column)]
    return line_chart(lines[:_MOST_LINES], "epoch", around) if lines else None


def _share_chart(tables: _Tables) -> LineChart | None:
    """One line for each loss: the mean over folds and networks, epoch by epoch."""
    if not tables:
        return None
    known = pd.concat(tables.values()).dropna(subset=["share"])
    lines = []
    for name, part in known.groupby("loss_of", sort=False):
        by_epoch = part.groupby("epoch")["share"].mean()
        points = tuple(zip(by_epoch.index.astype(float), by_epoch.astype(float), strict=True))
        lines.append(Line(str(name), points, None))
    return line_chart(lines, "epoch") if lines else None


def _lines(fold: str, table: pd.DataFrame, column: str) -> Iterator[Line]:
    known = table.dropna(subset=[column])
    several = table["member"].nunique() > 1
    for member, part in known.groupby("member"):
        name = f"fold {fold}, network {member}" if several else f"fold {fold}"
        points = tuple(zip(part["epoch"].astype(float), part[column].astype(float), strict=True))
        marks = part.loc[part["kept"] == 1, "epoch"]
        yield Line(name, points, float(marks.iloc[0]) if len(marks) else None)


def _span(epochs: list[int]) -> str:
    if not epochs:
        return "unknown"
    first, last = epochs[0], epochs[-1]
    return f"{first}" if first == last else f"{first} to {last}"
