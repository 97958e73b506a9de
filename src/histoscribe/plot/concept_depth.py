"""R2 of concepts over the layers of a network, and correlation of genes over the layer of a cut."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_COLOURS = ("#b2182b", "#2166ac", "#1b7837", "#e08214")
_CHANCE = "#d9d9d9"
_LOWEST_R2 = -0.3


@dataclass(frozen=True, eq=False)
class DepthCurve:
    """R2 of one concept at each layer, beside the middle 95 % of its random concepts."""

    name: str
    family: str
    r2: Float[np.ndarray, " L"]
    low: Float[np.ndarray, " L"]
    high: Float[np.ndarray, " L"]


@dataclass(frozen=True, eq=False)
class CutCurve:
    """Correlation of genes by the layer that a ridge reads."""

    layers: tuple[str, ...]
    pcc: Float[np.ndarray, "F L"]
    """On inner groups, without each part of the groups."""
    operations: Float[np.ndarray, " L"]
    """Multiplications of the encoder up to the layer, as a share of all; NaN where not known."""
    best: int


def draw_depth(
    curves: Sequence[DepthCurve], layers: Sequence[str], title: str, below: str, path: Path
) -> None:
    """Write a PNG: a panel for each family of concepts, R2 over the layers in order."""
    families = list(dict.fromkeys(curve.family for curve in curves))
    width = 3.1 * len(families) + 0.8
    figure = Figure(figsize=(width, 5.2), layout="constrained")
    grid = figure.subplots(1, len(families), sharey=True, squeeze=False)[0]
    for axes, family in zip(grid, families, strict=True):
        members = [curve for curve in curves if curve.family == family]
        _draw_family(axes, members)
        axes.set_title(family, fontsize=9)
        _layer_axis(axes, layers)
    grid[0].set_ylabel("R², tiles held out")
    grid[0].set_ylim(_LOWEST_R2 - 0.6, 1.02)  # below is room for names
    grid[0].set_yticks(np.arange(-0.2, 1.01, 0.2))
    grid[0].set_xlim(-0.6, len(layers) - 0.4)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)


def draw_cut(curve: CutCurve, title: str, below: str, path: Path) -> None:
    """Write a PNG: correlation of genes by layer, and the multiplications up to it."""
    figure = Figure(figsize=(7.5, 5.0), layout="constrained")
    above, under = figure.subplots(2, 1, sharex=True, height_ratios=[2, 1])
    place = np.arange(len(curve.layers))
    for part in curve.pcc:
        above.plot(place, part, color=_CHANCE, linewidth=1, zorder=1)
    above.plot([], [], color=_CHANCE, label="without one part of the patients or sections")
    mean = curve.pcc.mean(axis=0)
    above.plot(place, mean, "o-", color="black", markersize=4, label="mean")
    above.plot(curve.best, mean[curve.best], "o", color=_COLOURS[0], markersize=9, label="best")
    above.set_ylabel("PCC of genes,\ninner folds")
    above.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
    under.bar(place, curve.operations, color="#8c8c8c")
    under.set_ylabel("multiplications,\nshare of all")
    under.set_ylim(0, 1.05)
    _layer_axis(under, curve.layers)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, 7.5), fontsize=7)
    save_png(figure, path)


def _draw_family(axes: Axes, curves: Sequence[DepthCurve]) -> None:
    place = np.arange(len(curves[0].r2))
    low = np.nanmin([curve.low for curve in curves], axis=0)
    high = np.nanmax([curve.high for curve in curves], axis=0)
    low, high = np.maximum(low, _LOWEST_R2), np.maximum(high, _LOWEST_R2)
    label = "random concepts, 95 %"
    axes.bar(place, high - low, bottom=low, width=0.8, color=_CHANCE, label=label)
    for curve, colour in zip(curves, _COLOURS, strict=False):
        clipped = np.maximum(curve.r2, _LOWEST_R2)
        axes.plot(place, clipped, "o-", color=colour, markersize=3.5, label=curve.name)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.legend(fontsize=7, loc="lower left", frameon=False)


def _layer_axis(axes: Axes, layers: Sequence[str]) -> None:
    axes.set_xticks(range(len(layers)), layers, rotation=60, ha="right", fontsize=6)
