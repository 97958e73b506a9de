"""Windows of tissue, each with its heat maps at the same size."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_INCHES = 1.5
_TEXT_INCHES = 0.5
_COLOURS = "inferno"
_SIGNED_COLOURS = "RdBu_r"


@dataclass(frozen=True, eq=False)
class HeatColumn:
    """The maps of one column, on one scale."""

    title: str
    maps: Float[np.ndarray, "n h w"]
    """A map for each row; zero or above unless `is_signed`."""
    is_signed: bool = False
    """Whether values may be below zero: zero is then white, above it red and below it blue."""


@dataclass(frozen=True, eq=False)
class HeatRow:
    """A window, and the lines of text below it and below its maps."""

    window: UInt8[np.ndarray, "P P 3"]
    lines: tuple[str, ...]
    lines_of_maps: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class HeatText:
    """Texts printed on the picture."""

    title: str
    below: str


def draw_heat_maps(
    rows: Sequence[HeatRow], columns: Sequence[HeatColumn], text: HeatText, path: Path
) -> None:
    """Write a PNG: for each row its window, then its map in every column, cell by cell."""
    n_columns = 1 + len(columns)
    width = max(n_columns * _INCHES, 5.0)
    below = wrapped(text.below, width)
    height = len(rows) * (_INCHES + _TEXT_INCHES) + 1.2 + text_inches(below)
    figure = Figure(figsize=(width, height), layout="compressed")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    for axes, row in zip(grid[:, 0], rows, strict=True):
        axes.imshow(row.window, interpolation="antialiased")
        _label(axes, row.lines)
    for place, column in enumerate(columns):
        scale = _scale(column)
        grid[0, place + 1].set_title(column.title, fontsize=8)
        for axes, row, values in zip(grid[:, place + 1], rows, column.maps, strict=True):
            side_px = row.window.shape[0]
            axes.imshow(
                values,
                cmap=scale.cmap,
                norm=scale.norm,
                extent=(0, side_px, side_px, 0),
                interpolation="nearest",
            )
            _label(axes, row.lines_of_maps[place])
        bar = figure.colorbar(scale, ax=grid[-1, place + 1], location="bottom", aspect=12)
        bar.ax.tick_params(labelsize=6)
        bar.ax.locator_params(nbins=3)
    figure.suptitle(text.title, fontsize=10)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)


def _scale(column: HeatColumn) -> ScalarMappable:
    largest = float(np.abs(column.maps).max()) or 1.0
    if column.is_signed:
        return ScalarMappable(Normalize(-largest, largest), _SIGNED_COLOURS)
    return ScalarMappable(Normalize(0.0, largest), _COLOURS)


def _label(axes: Axes, lines: Sequence[str]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("\n".join(lines), fontsize=6, labelpad=3)
