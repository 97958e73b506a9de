"""Loss and inner score of each epoch of the networks of a run, as lines of a small chart."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from histoscribe.predictor.steering_curve import STEERING_FILE
from histoscribe.predictor.training_curve import TRAINING_FILE
from histoscribe.report.line_chart import Line, LineChart, line_chart

_MOST_LINES = 40  # folds and members in a chart; more cannot be told apart


@dataclass(frozen=True)
class TrainingCurves:
    """Training of one row of the tables in every fold."""

    row: str
    loss: LineChart | None
    """None for a network without a loss of each epoch."""
    inner_score: LineChart | None
    """None for a network without validation patients."""
    shares: LineChart | None
    """Share of each loss in the gradient; None for a network that no concept steered."""
    metric: str
    kept: str
    """Epochs whose weights are the result."""


def training_curves(folder: Path, rows: tuple[str, ...]) -> tuple[TrainingCurves, ...]:
    """Curves of the rows that were trained by epochs; empty in a run of an older version."""
    return tuple(_curves_of(folder, rows))


def _curves_of(folder: Path, rows: tuple[str, ...]) -> Iterator[TrainingCurves]:
    for row in rows:
        paths = sorted((folder / "predictors" / row).glob(f"*/{TRAINING_FILE}"))
        tables = {path.parent.name: pd.read_csv(path) for path in paths}
        if any(len(table) for table in tables.values()):
            steered = (folder / "predictors" / row).glob(f"*/{STEERING_FILE}")
            shares = {path.parent.name: pd.read_csv(path) for path in sorted(steered)}
            yield _curves(row, tables, shares)


def _curves(
    row: str, tables: dict[str, pd.DataFrame], steered: dict[str, pd.DataFrame]
) -> TrainingCurves:
    metrics = sorted({str(name) for table in tables.values() for name in table["metric"].dropna()})
    kept = [int(epoch) for table in tables.values() for epoch in table[table["kept"] == 1]["epoch"]]
    return TrainingCurves(
        row=row,
        loss=_chart(tables, "loss"),
        inner_score=_chart(tables, "inner_score"),
        shares=_share_chart(steered),
        metric=", ".join(metrics),
        kept=_span(sorted(kept)),
    )


def _chart(tables: dict[str, pd.DataFrame], column: str) -> LineChart | None:
    lines = [line for fold, table in tables.items() for line in _lines(fold, table, column)]
    return line_chart(lines[:_MOST_LINES], "epoch") if lines else None


def _share_chart(tables: dict[str, pd.DataFrame]) -> LineChart | None:
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
