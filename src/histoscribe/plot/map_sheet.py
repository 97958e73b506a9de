"""Several maps of one section side by side, each with its own scale, over the H&E."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from histoscribe.plot.canvas import (
    around_spots,
    draw_tissue,
    read_tissue,
    save_png,
    scale_bar,
    text_inches,
    wrapped,
)
from histoscribe.plot.maps import fill_spots, value_scale
from histoscribe.types import Section

_DIMMED = 0.45  # as in maps of expression
_SHRUNK = 0.7  # of a panel of a map of expression
_COLUMNS = 3
_BAR_INCHES = 0.9


@dataclass(frozen=True, eq=False)
class MapPanel:
    """One map: values of the spots, and the words above and below it."""

    title: str
    values: Float[np.ndarray, " N"]
    unit: str
    """Meaning of the colours."""


def draw_map_sheet(
    section: Section, panels: Sequence[MapPanel], title: str, below: str, path: Path
) -> None:
    """Write a PNG with the maps in rows of three; the first has the scale bar.

    Colours run from the 1st to the 99th percentile of each map; NaN is hollow.
    """
    window = around_spots(section)
    width, height = (side * _SHRUNK for side in window.panel_inches)
    n_columns = min(_COLUMNS, len(panels))
    n_rows = -(-len(panels) // n_columns)
    across = max(n_columns * width, 5.0)
    text = wrapped(below, across)
    size = (across, n_rows * (height + _BAR_INCHES) + 1.2 + text_inches(text))
    figure = Figure(figsize=size, layout="compressed")
    grid = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    tissue = read_tissue(section, window, dimmed=_DIMMED)
    for axes, panel in zip(grid, panels, strict=False):
        scale = value_scale(panel.values)
        draw_tissue(axes, tissue)
        fill_spots(axes, section, panel.values, scale)
        axes.set_title(panel.title, fontsize=9)
        bar = figure.colorbar(scale, ax=axes, location="bottom", extend="both", pad=0.02)
        bar.set_label(panel.unit, fontsize=7)
        bar.ax.tick_params(labelsize=6)
        bar.ax.locator_params(nbins=4)
    for empty in grid[len(panels) :]:
        empty.set_axis_off()
    scale_bar(grid[0], window)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(text, fontsize=7)
    save_png(figure, path)
