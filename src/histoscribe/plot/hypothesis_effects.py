"""Effects of hypotheses: a line each, with the patients and the range by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_COLOURS = {
    "hypothesis": "#0072B2",
    "discovery": "#009E73",
    "known": "#56B4E9",
    "spurious": "#D55E00",
    "not confirmed": "#4d4d4d",
    "not measured": "#bbbbbb",
}
_CHANCE, _INCHES_A_LINE, _WIDTH = "#d9d9d9", 0.24, 7.5


@dataclass(frozen=True, eq=False)
class EffectLine:
    """One hypothesis."""

    name: str
    effect: float
    each: Float[np.ndarray, " P"]
    """Effect in each patient; NaN where it is undefined."""
    kind: str
    """One of the kinds of the legend, e.g. `discovery`."""
    chance: tuple[float, float] | None = None
    """Range by chance."""


def draw_effects(lines: Sequence[EffectLine], title: str, below: str, path: Path) -> None:
    """Write a PNG: a line for each hypothesis, the first on top."""
    height = 1.3 + _INCHES_A_LINE * max(len(lines), 3)
    figure = Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.subplots()
    for row, line in enumerate(lines):
        colour = _COLOURS[line.kind]
        if line.chance is not None:
            low, high = line.chance
            axes.barh(row, high - low, left=low, height=0.7, color=_CHANCE)
        axes.plot(line.each, np.full(len(line.each), row), ".", color=colour, markersize=3)
        axes.plot(line.effect, row, "o", color=colour, markersize=6)
    for kind in dict.fromkeys(line.kind for line in lines):
        axes.plot([], [], "o", color=_COLOURS[kind], label=kind)
    if not lines:
        axes.text(0.5, 0.5, "none", transform=axes.transAxes, ha="center", fontsize=9)
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(lines)), [line.name for line in lines], fontsize=7)
    axes.set_ylim(max(len(lines), 1) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=7)
    if lines:
        figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, _WIDTH), fontsize=7)
    save_png(figure, path)
