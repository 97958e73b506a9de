"""What each gene adds to the log odds of a class, with its spread over bootstraps."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_LINE, _BAND, _HELD = "#2166ac", "#c6dbef", "#b2182b"
_INCHES = 1.75


@dataclass(frozen=True, eq=False)
class ShapeCurve:
    """Function of one gene in one class."""

    title: str
    x: Float[np.ndarray, " P"]
    added: Float[np.ndarray, " P"]
    low: Float[np.ndarray, " P"]
    high: Float[np.ndarray, " P"]
    constrained: Float[np.ndarray, " P"] | None = None
    """The function whose shape is held; None without one."""


@dataclass(frozen=True, eq=False)
class ShapeRow:
    """Functions of one class."""

    title: str
    curves: tuple[ShapeCurve, ...]


def draw_shape_functions(rows: Sequence[ShapeRow], x_label: str, title: str, path: Path) -> None:
    """Write a PNG with one row of panels a class, all on the scale of their row."""
    n_columns = max(len(row.curves) for row in rows)
    size = (1.1 + _INCHES * n_columns, 1.2 + (_INCHES + 0.1) * len(rows))
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(rows), n_columns, squeeze=False, sharey="row")
    for row, panels in zip(rows, grid, strict=True):
        for axes in panels[len(row.curves) :]:
            axes.set_axis_off()
        for axes, curve in zip(panels, row.curves, strict=False):
            _draw(axes, curve)
        panels[0].set_ylabel(f"{row.title}\nadded log odds", fontsize=8)
    figure.supxlabel(x_label, fontsize=8)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _draw(axes: Axes, curve: ShapeCurve) -> None:
    axes.axhline(0, color="black", linewidth=0.5)
    axes.fill_between(curve.x, curve.low, curve.high, color=_BAND, linewidth=0, step="mid")
    axes.step(curve.x, curve.added, where="mid", color=_LINE, linewidth=1.3)
    if curve.constrained is not None:
        axes.step(
            curve.x, curve.constrained, where="mid", color=_HELD, linewidth=1.2, linestyle="--"
        )
    axes.set_title(curve.title, fontsize=8)
    axes.tick_params(labelsize=6)
