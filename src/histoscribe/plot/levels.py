"""How many values lie in each level, how alike tiles of levels are, and measures over levels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_COLOURS = ("#4d4d4d", "#d6604d")
_PATIENT, _MEAN = "#92c5de", "#b2182b"
_PANEL_INCHES = 3.0
_RANGE_CHARACTERS = 10  # of a line below a bar


@dataclass(frozen=True, eq=False)
class LevelCounts:
    """Values in each level, and the ranges of the levels."""

    counts: Mapping[str, Int[np.ndarray, " levels"]]
    """What is counted -> its number in each level."""
    ranges: tuple[str, ...]
    unit: str
    what: str
    """What is counted, e.g. `spots`."""


@dataclass(frozen=True, eq=False)
class LikenessMatrix:
    """Mean likeness of tiles of each two levels; NaN without a pair."""

    title: str
    means: Float[np.ndarray, "levels levels"]


@dataclass(frozen=True, eq=False)
class MeasureOverLevels:
    """Means of one measure in each level, by patient."""

    title: str
    unit: str
    of_patients: Float[np.ndarray, "P levels"]
    """NaN where a patient has no tile in a level."""
    joined: bool
    """Whether the levels of a patient are joined by a line."""


def draw_levels(
    counts: LevelCounts, matrices: Sequence[LikenessMatrix], title: str, below: str, path: Path
) -> None:
    """Write a PNG: a histogram with a bar for each name and level, and matrices of likeness."""
    width = 5.2 + 3.6 * len(matrices)
    figure = Figure(figsize=(width, 4.4), layout="constrained")
    panels = figure.subplots(1, 1 + len(matrices), width_ratios=[1.4, *(len(matrices) * [1.0])])
    _draw_counts(panels[0], counts)
    for axes, matrix in zip(panels[1:], matrices, strict=True):
        _draw_matrix(figure, axes, matrix)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)


def draw_measures(
    measures: Sequence[MeasureOverLevels], title: str, below: str, path: Path
) -> None:
    """Write a PNG with one panel for each measure: its mean in each level, by patient and over all.

    The mean over patients is drawn in red.
    """
    n_columns = min(4, len(measures))
    n_rows = -(-len(measures) // n_columns)
    width = max(n_columns * _PANEL_INCHES, 6.0)
    figure = Figure(figsize=(width, n_rows * 2.5 + 1.2), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for axes in grid[len(measures) :]:
        axes.set_axis_off()
    for axes, measure in zip(grid, measures, strict=False):
        _draw_measure(axes, measure)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)


def _draw_counts(axes: Axes, counts: LevelCounts) -> None:
    n_levels, n_names = len(counts.ranges), len(counts.counts)
    wide = 0.8 / n_names
    for place, (name, of) in enumerate(counts.counts.items()):
        at = np.arange(n_levels) + (place - (n_names - 1) / 2) * wide
        bars = axes.bar(at, of, wide, color=_COLOURS[place % len(_COLOURS)], label=name)
        axes.bar_label(bars, fontsize=6)
    ranges = [fill(words, _RANGE_CHARACTERS) for words in counts.ranges]
    labels = [f"{level}\n{words}" for level, words in enumerate(ranges, start=1)]
    axes.set_xticks(np.arange(n_levels), labels, fontsize=6)
    axes.set_xlabel(f"level, {counts.unit}", fontsize=8)
    axes.set_ylabel(counts.what, fontsize=8)
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=7)


def _draw_matrix(figure: Figure, axes: Axes, matrix: LikenessMatrix) -> None:
    n_levels = len(matrix.means)
    shown = axes.imshow(np.ma.masked_invalid(matrix.means), cmap="cividis", origin="lower")
    numbers = [str(level) for level in range(1, n_levels + 1)]
    axes.set_xticks(np.arange(n_levels), numbers, fontsize=7)
    axes.set_yticks(np.arange(n_levels), numbers, fontsize=7)
    axes.set_xlabel("level", fontsize=8)
    axes.set_ylabel("level", fontsize=8)
    axes.set_title(matrix.title, fontsize=8)
    bar = figure.colorbar(shown, ax=axes, shrink=0.7)
    bar.ax.tick_params(labelsize=6)


def _draw_measure(axes: Axes, measure: MeasureOverLevels) -> None:
    levels = np.arange(1, measure.of_patients.shape[1] + 1)
    for values in measure.of_patients:
        known = ~np.isnan(values)
        line = "-" if measure.joined else ""
        axes.plot(levels[known], values[known], line, marker="o", markersize=3, color=_PATIENT)
    defined = ~np.isnan(measure.of_patients).all(axis=0)
    if defined.any():
        means = np.nanmean(measure.of_patients[:, defined], axis=0)
        axes.plot(levels[defined], means, color=_MEAN, marker="s", markersize=3, linewidth=1.8)
    axes.set_xticks(levels)
    axes.tick_params(labelsize=6)
    axes.set_title(measure.title, fontsize=7)
    axes.set_ylabel(measure.unit, fontsize=6)
    axes.set_xlabel("level", fontsize=6)
