"""A number of each gene set, beside its values by two kinds of chance."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

MOST_RANGES = 50
"""Sets in the figure: more have no room for their names."""
_VALUE, _SETS, _SMOOTH = "#b2182b", "#9ecae1", "#e0e0e0"
_INCHES_A_SET = 0.24


@dataclass(frozen=True)
class SetRange:
    """Value of one set; NaN is not drawn."""

    name: str
    value: float
    random_sets: tuple[float, float]
    """Low and high end of the middle 95 % of random sets."""
    smooth_maps: tuple[float, float]
    """The same of equally smooth random maps."""


def draw_set_ranges(columns: Mapping[str, Sequence[SetRange]], title: str, path: Path) -> None:
    """Write a PNG with a panel for each column, the sets from top to bottom in the same order."""
    n_sets = max(len(sets) for sets in columns.values())
    height = 2.0 + _INCHES_A_SET * min(n_sets, MOST_RANGES)
    figure = Figure(figsize=(3.5 + 4.0 * len(columns), height), layout="constrained")
    grid = figure.subplots(1, len(columns), squeeze=False, sharey=True)[0]
    for axes, (words, sets) in zip(grid, columns.items(), strict=True):
        _draw(axes, sets[:MOST_RANGES])
        axes.set_title(words, fontsize=9)
        axes.set_xlabel("correlation", fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _draw(axes: Axes, sets: Sequence[SetRange]) -> None:
    for row, item in enumerate(sets):
        axes.plot(item.smooth_maps, [row, row], color=_SMOOTH, linewidth=8, zorder=1)
        axes.plot(item.random_sets, [row, row], color=_SETS, linewidth=4, zorder=2)
        axes.plot(item.value, row, "o", color=_VALUE, markersize=4.5, zorder=3)
    axes.plot([], [], color=_SMOOTH, linewidth=8, label="95 % of equally smooth random maps")
    axes.plot([], [], color=_SETS, linewidth=4, label="95 % of random sets, matched")
    axes.plot([], [], "o", color=_VALUE, markersize=4.5, label="measured")
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_yticks(range(len(sets)), [item.name for item in sets], fontsize=7)
    axes.set_ylim(len(sets) - 0.4, -0.6)  # the first set on top
    axes.tick_params(axis="x", labelsize=7)
