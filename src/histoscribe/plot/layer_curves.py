"""Values of layers, one below the other, with their ranges by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_ROW_INCHES = 0.24
_COLOURS = ("#c03020", "#0050d0", "#207020", "#805000")


@dataclass(frozen=True, eq=False)
class LayerCurve:
    """Values of one kind over the layers."""

    name: str
    values: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class LayerPanel:
    """The curves of one network over its layers, with a range by chance."""

    title: str
    layers: tuple[str, ...]
    curves: tuple[LayerCurve, ...]
    low: Float[np.ndarray, " n"]
    high: Float[np.ndarray, " n"]
    chance: str
    """What the range is of, in words."""
    axis: str
    """Name and unit of the values."""


@dataclass(frozen=True)
class LayerText:
    """Texts printed on the picture."""

    title: str
    below: str


def draw_layer_curves(panels: Sequence[LayerPanel], text: LayerText, path: Path) -> None:
    """Write a PNG with a panel for each network, layers from top to bottom."""
    width = 6.5 * len(panels)
    below = wrapped(text.below, width)
    most = max(len(panel.layers) for panel in panels)
    height = max(2.0, most * _ROW_INCHES) + 2.2 + text_inches(below)
    figure = Figure(figsize=(width, height), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _draw(axes, panel)
    figure.suptitle(text.title, fontsize=10)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)


def _draw(axes: Axes, panel: LayerPanel) -> None:
    at = np.arange(len(panel.layers))
    for place, low, high in zip(at, panel.low, panel.high, strict=True):
        axes.plot([low, high], [place, place], color="#bbbbbb", linewidth=6, zorder=1)
    axes.plot([], [], color="#bbbbbb", linewidth=6, label=panel.chance)
    for curve, colour in zip(panel.curves, _COLOURS, strict=False):
        axes.plot(curve.values, at, color=colour, marker="o", markersize=4, label=curve.name)
    axes.set_yticks(at, panel.layers, fontsize=6)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel(panel.axis, fontsize=8)
    axes.set_title(panel.title, fontsize=8)
    axes.grid(axis="x", color="#eeeeee")
    axes.legend(fontsize=6, loc="upper center", bbox_to_anchor=(0.5, -0.14), ncol=2)
