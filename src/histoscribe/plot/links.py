"""Windows of tissue with links between their places."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_INCHES = 2.2
_TEXT_INCHES = 0.5
_WIDEST_POINTS = 1.8
_COLOUR = "#0050d0"  # of no stain


@dataclass(frozen=True, eq=False)
class LinkPanel:
    """A window, the links over it, and the lines of text below."""

    title: str
    """Printed above the first row."""
    tile: UInt8[np.ndarray, "P P 3"]
    lines: tuple[str, ...]
    ends: Float[np.ndarray, "m 2 2"]
    """Both ends of each link, x and y in px of the tile."""
    weight: Float[np.ndarray, " m"]
    cell_px: float
    """Width of the cells whose centres are the places."""


@dataclass(frozen=True)
class LinkText:
    """Texts printed on the picture."""

    title: str
    below: str


def draw_links(rows: Sequence[Sequence[LinkPanel]], text: LinkText, path: Path) -> None:
    """Write a PNG with the panels of each row; in a column, width is by weight on one scale."""
    n_columns = len(rows[0])
    width = n_columns * _INCHES
    height = len(rows) * (_INCHES + _TEXT_INCHES) + 0.9
    figure = Figure(figsize=(width, height), layout="compressed")
    grid = figure.subplots(len(rows), n_columns, squeeze=False)
    for column in range(n_columns):
        panels = [row[column] for row in rows]
        strongest = max((float(panel.weight.max(initial=0.0)) for panel in panels), default=0.0)
        grid[0, column].set_title(panels[0].title, fontsize=8)
        for axes, panel in zip(grid[:, column], panels, strict=True):
            _draw(axes, panel, strongest)
    figure.suptitle(text.title, fontsize=10)
    figure.supxlabel(wrapped(text.below, width), fontsize=7)
    save_png(figure, path)


def _draw(axes: Axes, panel: LinkPanel, strongest: float) -> None:
    side_px = panel.tile.shape[0]
    extent = (0, side_px, side_px, 0)
    axes.imshow(panel.tile, extent=extent, interpolation="antialiased", alpha=0.6)
    centres = np.arange(panel.cell_px / 2, side_px, panel.cell_px)
    x, y = (part.ravel() for part in np.meshgrid(centres, centres))
    axes.scatter(x, y, s=1.0, color="black", linewidths=0)
    points = _WIDEST_POINTS * panel.weight / strongest if strongest else panel.weight
    lines = LineCollection(list(panel.ends), linewidths=points, colors=_COLOUR, capstyle="round")
    axes.add_collection(lines, autolim=False)
    axes.set_xlim(0, side_px)
    axes.set_ylim(side_px, 0)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_xlabel("\n".join(panel.lines), fontsize=6, labelpad=3)
