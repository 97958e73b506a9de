"""Scores of models: a dot a patient, the mean, and what chance and depth alone reach."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from histoscribe.plot.publication import LINE_MM, PublicationFigure, text_mm
from histoscribe.printable import printable

_ROW_MM, _GAP_MM, _MARGIN_MM = 4.6, 4.0, 1.5
_DOT, _BAND = "#0072B2", "0.85"
_LINES: tuple[tuple[str, Literal["--", ":"]], ...] = (("#D55E00", "--"), ("#009E73", ":"))
"""Colours of Okabe and Ito, which can be told apart with all common kinds of colour blindness."""


@dataclass(frozen=True)
class ModelScores:
    """Scores of one model by one metric."""

    model: str
    patients: tuple[float, ...]
    mean: float
    low: float
    """NaN where there are too few patients for an interval."""
    high: float


@dataclass(frozen=True)
class ScorePanel:
    """Scores of all models by one metric."""

    metric: str
    models: tuple[ModelScores, ...]
    """The first at the top; the same models in all panels."""
    band: tuple[float, float]
    """The middle 95 % of shuffled runs."""
    lines: Mapping[str, float]
    """Scores to compare with, by name."""


def draw_model_scores(panels: Sequence[ScorePanel], width_mm: float) -> PublicationFigure:
    """Draw a panel for each metric with a row for each model."""
    names = [printable(scores.model) for scores in panels[0].models]
    labels_mm = min(max(map(text_mm, names)) + 2.0, width_mm / 3)
    side = (width_mm - labels_mm - 2 * _MARGIN_MM) / len(panels) - _GAP_MM
    tall = len(names) * _ROW_MM
    handles = _legend(panels[0])
    n_columns = 3 if width_mm > 120 else 2
    n_rows = -(-len(handles) // n_columns)
    top = _MARGIN_MM + LINE_MM + 0.5
    below = 2 * LINE_MM + 2.5
    figure = PublicationFigure(width_mm, top + tall + below + n_rows * LINE_MM * 1.15 + 1.0)
    for number, panel in enumerate(panels):
        left = _MARGIN_MM + labels_mm + number * (side + _GAP_MM)
        figure.write(left + side / 2, _MARGIN_MM, panel.metric, ha="center")
        axes = figure.add_panel(left, top, side, tall)
        _draw(axes, panel)
        axes.set_yticks(range(len(names)), names if number == 0 else [""] * len(names))
    middle = _MARGIN_MM + labels_mm + (width_mm - labels_mm - 2 * _MARGIN_MM - _GAP_MM) / 2
    words = "mean over genes and sections of a patient"
    figure.write(middle, top + tall + LINE_MM + 1.2, words, ha="center")
    figure.add_legend(handles, n_columns)
    return figure


def _draw(axes: Axes, panel: ScorePanel) -> None:
    axes.axvspan(*panel.band, color=_BAND, linewidth=0, zorder=0)
    axes.axvline(0, color="black", linewidth=0.5, zorder=1)
    for (colour, dash), score in zip(_LINES, panel.lines.values(), strict=False):
        axes.axvline(score, color=colour, linestyle=dash, linewidth=1.2, zorder=1)
    for row, scores in enumerate(panel.models):
        rows = np.full(len(scores.patients), float(row))
        axes.plot(scores.patients, rows, "o", color=_DOT, markersize=3.5, alpha=0.6, mew=0)
        if not np.isnan(scores.low):
            axes.plot([scores.low, scores.high], [row, row], "-", color="black", linewidth=1.2)
        axes.plot([scores.mean], [row], "D", color="black", markersize=3.5, mew=0)
    axes.set_ylim(len(panel.models) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.xaxis.set_major_locator(MaxNLocator(4))
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _legend(panel: ScorePanel) -> list[Line2D | Patch]:
    dots = Line2D([], [], color=_DOT, marker="o", linestyle="", markersize=3.5, alpha=0.6, mew=0)
    dots.set_label("a patient")
    mean = Line2D([], [], color="black", marker="D", markersize=3.5, mew=0, linestyle="")
    mean.set_label("mean over patients")
    handles: list[Line2D | Patch] = [dots, mean]
    if any(not np.isnan(scores.low) for scores in panel.models):
        mean.set_linestyle("-")
        mean.set_label("mean, 95 % interval")
    handles.append(Patch(color=_BAND, linewidth=0, label="shuffled runs, 95 %"))
    handles += [
        Line2D([], [], color=colour, linestyle=dash, linewidth=1.2, label=name)
        for (colour, dash), name in zip(_LINES, panel.lines, strict=False)
    ]
    return handles
