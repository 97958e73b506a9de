"""AUROC of classes as dots with intervals, one colour a classifier, over the band of chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_BAND = "#d9d9d9"
_INCHES_A_DOT, _INCHES_A_GROUP = 0.17, 0.25


@dataclass(frozen=True)
class ScoreDot:
    """Score of one classifier, with its interval and its range by chance."""

    classifier: str
    score: float
    low: float
    high: float
    chance: tuple[float, float, float] | None = None
    """Mean, low and high; None where chance was not drawn."""


@dataclass(frozen=True)
class ScoreGroup:
    """Scores of one class."""

    title: str
    dots: tuple[ScoreDot, ...]


def draw_class_scores(groups: Sequence[ScoreGroup], title: str, path: Path) -> None:
    """Write a PNG with one block of lines a class."""
    names = list(dict.fromkeys(dot.classifier for group in groups for dot in group.dots))
    colours = dict(zip(names, colormaps["tab10"](np.arange(10)), strict=False))
    n_dots = sum(len(group.dots) for group in groups)
    height = 1.9 + _INCHES_A_DOT * n_dots + _INCHES_A_GROUP * len(groups) + 0.2 * len(names)
    figure = Figure(figsize=(7.5, height), layout="constrained")
    axes = figure.subplots()
    y, ticks = 0.0, []
    for group in groups:
        ticks.append((y + (len(group.dots) - 1) / 2, group.title))
        for dot in group.dots:
            if dot.chance is not None:
                mean, low, high = dot.chance
                axes.plot([low, high], [y, y], color=_BAND, linewidth=7, solid_capstyle="butt")
                axes.plot([mean], [y], "|", color="#636363", markersize=7)
            colour = colours[dot.classifier]
            axes.plot([dot.low, dot.high], [y, y], color=colour, linewidth=1.2)
            axes.plot([dot.score], [y], "o", color=colour, markersize=4.5)
            y += 1
        y += _INCHES_A_GROUP / _INCHES_A_DOT
    for name in names:
        axes.plot([], [], "o-", color=colours[name], markersize=4.5, linewidth=1.2, label=name)
    axes.plot(
        [], [], color=_BAND, linewidth=7, label="labels permuted: 95 % of further draws, mean"
    )
    axes.set_yticks([at for at, _ in ticks], [name for _, name in ticks], fontsize=8)
    axes.set_ylim(y - 1, -1)
    axes.set_xlim(0, 1.02)
    axes.axvline(0.5, color="black", linewidth=0.6)
    axes.set_xlabel("AUROC, held-out patients; line: 95 % by the number of patients")
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.45, 1.0), frameon=False)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)
