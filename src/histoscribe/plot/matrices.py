"""Square panels of a value for each pair of layers, on one scale of colour."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_CELL_INCHES = 0.2
_LEAST_INCHES, _LABEL_INCHES = 2.4, 2.3
_COLOURS = "viridis"
_UNDEFINED = "#dddddd"


@dataclass(frozen=True, eq=False)
class PairMatrix:
    """Values of all pairs of rows and columns."""

    title: str
    values: Float[np.ndarray, "n m"]
    """In 0..1; smaller values are drawn as 0, undefined ones grey."""
    rows: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class MatrixText:
    """Texts printed on the picture."""

    title: str
    scale: str
    """What the colours mean."""
    below: str


def draw_matrices(grid: Sequence[Sequence[PairMatrix]], text: MatrixText, path: Path) -> None:
    """Write a PNG with the panels of each row of the grid side by side."""
    n_columns = max(map(len, grid))
    most = max(max(panel.values.shape) for row in grid for panel in row)
    side = max(_LEAST_INCHES, most * _CELL_INCHES)
    width = n_columns * (side + _LABEL_INCHES) + 0.8
    below = wrapped(text.below, width)
    height = len(grid) * (side + _LABEL_INCHES) + 0.9 + text_inches(below)
    figure = Figure(figsize=(width, height), layout="constrained")
    axes_grid = figure.subplots(len(grid), n_columns, squeeze=False)
    for axes_row, row in zip(axes_grid, grid, strict=True):
        for axes in axes_row[len(row) :]:
            axes.set_axis_off()
        for axes, panel in zip(axes_row[: len(row)], row, strict=True):
            _draw(axes, panel)
    scale = ScalarMappable(Normalize(0.0, 1.0), _COLOURS)
    bar = figure.colorbar(scale, ax=axes_grid, shrink=0.6, aspect=30)
    bar.set_label(text.scale, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(text.title, fontsize=10)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)


def _draw(axes: Axes, panel: PairMatrix) -> None:
    axes.set_facecolor(_UNDEFINED)
    axes.imshow(panel.values, cmap=_COLOURS, vmin=0.0, vmax=1.0, interpolation="nearest")
    axes.set_title(panel.title, fontsize=8)
    axes.set_yticks(range(len(panel.rows)), panel.rows, fontsize=6)
    axes.set_xticks(range(len(panel.columns)), panel.columns, fontsize=6, rotation=90)
    axes.tick_params(length=0)
