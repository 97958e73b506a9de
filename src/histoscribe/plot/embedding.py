"""Points in the plane, one panel for each way to colour them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_PANEL_INCHES = 4.6
_LEGEND_INCHES = 1.6
_NONE = (0.82, 0.82, 0.82)  # a point without a label
_MOST_NAMED = 24  # in a legend


@dataclass(frozen=True)
class Colouring:
    """Label of each point; None for an unknown label."""

    title: str
    names: tuple[str | None, ...]


@dataclass(frozen=True, eq=False)
class EmbeddedSpots:
    """Points of one network, and the ways to colour them."""

    name: str
    """Of the network; empty where there is one."""
    xy: Float[np.ndarray, "N 2"]
    colourings: Sequence[Colouring]


def draw_embedding(rows: Sequence[EmbeddedSpots], title: str, path: Path) -> None:
    """Write a PNG with a row for each network and a panel for each colouring.

    Points without a label are grey, below the others.
    """
    n_rows, n_panels = len(rows), len(rows[0].colourings)
    width = n_panels * (_PANEL_INCHES + _LEGEND_INCHES)
    figure = Figure(figsize=(width, n_rows * _PANEL_INCHES + 0.8), layout="compressed")
    panels = figure.subplots(n_rows, n_panels, squeeze=False)
    for line, row in zip(panels, rows, strict=True):
        for axes, colouring in zip(line, row.colourings, strict=True):
            _draw(axes, row.xy, colouring)
        if row.name:
            line[0].set_ylabel(row.name, fontsize=10)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _draw(axes: Axes, xy: Float[np.ndarray, "N 2"], colouring: Colouring) -> None:
    names = np.array([name or "" for name in colouring.names])
    known = sorted(set(names) - {""})
    n_colours = 10 if len(known) <= 10 else 20
    colours = colormaps[f"tab{n_colours}"](np.arange(n_colours))
    size = float(np.clip(6000 / len(xy), 3, 24))
    unnamed = names == ""
    if unnamed.any():
        x, y = xy[unnamed].T
        axes.scatter(x, y, s=size, color=[_NONE], linewidths=0, label=f"none ({len(x):,})")
    for place, name in enumerate(known):
        x, y = xy[names == name].T
        label = f"{name} ({len(x):,})" if place < _MOST_NAMED else None
        colour = [colours[place % len(colours)]]
        axes.scatter(x, y, s=size, color=colour, linewidths=0, label=label)
    axes.set_title(colouring.title, fontsize=9)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.legend(
        loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=7, frameon=False, markerscale=1.6
    )
