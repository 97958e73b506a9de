"""Kaplan-Meier curves with the numbers at risk below them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png


@dataclass(frozen=True, eq=False)
class DrawnCurve:
    """Survival of one class."""

    name: str
    days: Float[np.ndarray, " T"]
    alive: Float[np.ndarray, " T"]
    censored: Bool[np.ndarray, " T"]
    at_risk: tuple[int, ...]


def draw_survival(
    curves: Sequence[DrawnCurve], times: Float[np.ndarray, " n"], title: str, path: Path
) -> None:
    """Write a PNG; a tick on a curve is a last contact."""
    colours = colormaps["tab10"](np.arange(10))
    figure = Figure(figsize=(7, 4.2 + 0.2 * len(curves)), layout="constrained")
    axes = figure.subplots()
    for place, curve in enumerate(curves):
        colour = colours[place % 10]
        axes.step(curve.days, curve.alive, where="post", color=colour, label=curve.name)
        lost = curve.censored
        axes.plot(curve.days[lost], curve.alive[lost], "|", color=colour, markersize=7)
    axes.set_ylim(0, 1.05)
    axes.set_xlim(0, max(float(curve.days[-1]) for curve in curves) * 1.02)
    axes.set_xticks(times)
    axes.set_xlabel("days, and below them the number of patients at risk", fontsize=8)
    axes.tick_params(labelsize=8)
    for row, curve in enumerate(curves):
        # below the axis, in points: the height of the picture does not matter
        offset = -38.0 - 11.0 * row
        _below(axes, curve.name, -22.0, offset, None)
        for time, n in zip(times, curve.at_risk, strict=True):
            _below(axes, str(n), 0.0, offset, float(time))
    axes.set_ylabel("share alive (Kaplan-Meier)", fontsize=8)
    axes.legend(fontsize=8, loc="lower left")
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _below(axes: Axes, text: str, right: float, up: float, time: float | None) -> None:
    """Write below the axis: at a time, or left of the axis."""
    axes.annotate(
        text,
        (0.0 if time is None else time, 0.0),
        xycoords="axes fraction" if time is None else "data",
        xytext=(right, up),
        textcoords="offset points",
        ha="right" if time is None else "center",
        va="center",
        fontsize=8,
        annotation_clip=False,
    )
