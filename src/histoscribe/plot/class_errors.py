"""Errors of classes over the range by chance, and what a representation knows of facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_CHANCE, _PATIENT, _VALUE, _NAMED = "#c6dbef", "#969696", "#2166ac", "#b2182b"
_LINE_INCHES, _PANEL_INCHES, _WIDTH = 0.27, 0.42, 7.5
_BOOTSTRAPS = 2000
_FEWEST_FOR_INTERVAL = 6


@dataclass(frozen=True, eq=False)
class ClassLine:
    """Error of one class."""

    name: str
    error: float
    of_patients: Float[np.ndarray, " P"]
    """Error of each of its patients."""
    chance: tuple[float, float] | None
    """Middle 95 % by chance; None without a range."""
    words: str
    """Written on the right, e.g. its number of training spots."""
    strong: bool
    """Whether it is drawn as one that training lacks."""


@dataclass(frozen=True)
class ClassPanel:
    """Classes of one division."""

    title: str
    lines: tuple[ClassLine, ...]


@dataclass(frozen=True)
class FactLine:
    """How well a fact is read off."""

    name: str
    accuracy: float
    chance: float
    span: tuple[float, float] | None
    """Middle 95 % by chance; None without a range."""
    strong: bool
    """Whether it is of the last layer."""


def draw_class_errors(panels: Sequence[ClassPanel], title: str, path: Path) -> None:
    """Write a PNG with a panel for each division.

    A dot is the mean over the patients of a class, small dots are the patients, and a line is the
    95 % interval of the mean by bootstrap over patients, where there are six.
    """
    sizes = [_PANEL_INCHES + _LINE_INCHES * max(len(panel.lines), 1) for panel in panels]
    figure = Figure(figsize=(_WIDTH, sum(sizes) + 1.1), layout="constrained")
    grid = figure.subplots(len(panels), 1, squeeze=False, sharex=True, height_ratios=sizes)[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        _draw_panel(axes, panel)
    grid[-1].set_xlabel("squared error, relative to that of the training mean", fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(
        "Small dots: patients. Line: 95 % of the mean over six or more patients. Band: by chance. "
        "Red: under-represented in training.",
        fontsize=6.5,
    )
    save_png(figure, path)


def draw_fact_lines(lines: Sequence[FactLine], title: str, path: Path) -> None:
    """Write a PNG with a line for each fact, over the band of chance."""
    figure = Figure(figsize=(_WIDTH, 1.3 + 0.3 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for row, line in enumerate(lines):
        if line.span is not None:
            axes.plot(line.span, [row, row], color=_CHANCE, linewidth=9, solid_capstyle="butt")
        axes.plot([line.chance] * 2, [row - 0.3, row + 0.3], color=_PATIENT, linewidth=1.2)
        marker = "o" if line.strong else "s"
        axes.plot([line.accuracy], [row], marker, color=_VALUE if line.strong else "black")
    axes.set_yticks(range(len(lines)), [line.name for line in lines], fontsize=8)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(-0.02, 1.02)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel("balanced accuracy on left-out tissue", fontsize=8)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(
        "Circle: last layer, square: features. Band: by chance, 95 %; grey line: its mean.",
        fontsize=6.5,
    )
    save_png(figure, path)


def _draw_panel(axes: Axes, panel: ClassPanel) -> None:
    for row, line in enumerate(panel.lines):
        if line.chance is not None:
            axes.plot(line.chance, [row, row], color=_CHANCE, linewidth=9, solid_capstyle="butt")
        patients = line.of_patients
        axes.plot(patients, np.full(len(patients), row), ".", color=_PATIENT, markersize=4)
        colour = _NAMED if line.strong else _VALUE
        if len(patients) >= _FEWEST_FOR_INTERVAL:
            axes.plot(_interval(patients), [row, row], color=colour, linewidth=1.4)
        axes.plot([line.error], [row], "o", color=colour, markersize=5)
        axes.annotate(
            line.words, (1.01, row), xycoords=("axes fraction", "data"), fontsize=6.5, va="center"
        )
    axes.set_yticks(range(len(panel.lines)), [line.name for line in panel.lines], fontsize=7)
    axes.set_ylim(len(panel.lines) - 0.4, -0.6)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title(panel.title, fontsize=8, loc="left", pad=3)


def _interval(values: Float[np.ndarray, " P"]) -> tuple[float, float]:
    """Middle 95 % of the mean of patients drawn again with replacement."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(_BOOTSTRAPS, len(values)))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)
