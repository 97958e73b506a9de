"""Matrices over pairs of the same things, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_COLUMNS = 3
_LEAST_INCHES, _INCHES_A_ROW, _INCHES_A_LETTER = 2.6, 0.13, 0.055
_COLOURS, _SIGNED_COLOURS = "cividis", "RdBu_r"


@dataclass(frozen=True, eq=False)
class PathwayMatrix:
    """A value for each pair."""

    title: str
    values: Float[np.ndarray, "P P"]
    """NaN is white."""
    unit: str
    """Meaning of the colours."""
    is_signed: bool = False
    """Whether values may be below zero: zero is then white, above it red and below it blue."""


def draw_pair_matrices(
    matrices: Sequence[PathwayMatrix], names: Sequence[str], title: str, path: Path
) -> None:
    """Write a PNG with the matrices in rows of three, each with its own scale."""
    side = max(_LEAST_INCHES, _INCHES_A_ROW * len(names))
    n_columns = min(_COLUMNS, len(matrices))
    n_rows = -(-len(matrices) // n_columns)
    names_inches = 0.3 + _INCHES_A_LETTER * max(map(len, names))
    size = (n_columns * side + names_inches, n_rows * (side + 1.3) + names_inches)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).ravel()
    for axes, matrix in zip(grid, matrices, strict=False):
        scale = _scale(matrix)
        axes.imshow(matrix.values, cmap=scale.cmap, norm=scale.norm, interpolation="nearest")
        axes.set_title(matrix.title, fontsize=8)
        axes.set_xticks(range(len(names)), names, fontsize=6, rotation=90)
        axes.set_yticks(range(len(names)), names, fontsize=6)
        bar = figure.colorbar(scale, ax=axes, location="top", aspect=25)
        bar.set_label(matrix.unit, fontsize=7)
        bar.ax.tick_params(labelsize=6)
        bar.ax.locator_params(nbins=4)
    for empty in grid[len(matrices) :]:
        empty.set_axis_off()
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _scale(matrix: PathwayMatrix) -> ScalarMappable:
    known = matrix.values[np.isfinite(matrix.values)]
    if matrix.is_signed:
        largest = float(np.abs(known).max(initial=0.0)) or 1.0
        return ScalarMappable(Normalize(-largest, largest), _SIGNED_COLOURS)
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return ScalarMappable(Normalize(low, high if high > low else low + 1.0), _COLOURS)
