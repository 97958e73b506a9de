"""Dots for the heads of each layer, with ranges by chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_ROW_INCHES = 0.4
_WIDTH_INCHES = 7.5
_COLOURS = ("#c03020", "#80b0e0", "#3070c0", "#103060")


@dataclass(frozen=True, eq=False)
class HeadDots:
    """The heads of one network."""

    name: str
    values: tuple[Float[np.ndarray, " H"], ...]
    """Of each layer."""


@dataclass(frozen=True)
class DotText:
    """Texts printed on the picture."""

    title: str
    axis: str
    layers: tuple[str, ...]
    below: str


def draw_head_dots(
    networks: Sequence[HeadDots],
    text: DotText,
    low: Float[np.ndarray, " L"],
    high: Float[np.ndarray, " L"],
    bar: Float[np.ndarray, " L"],
    path: Path,
) -> None:
    """Write a PNG with layers from top to bottom: range, bar and dots of each."""
    below = wrapped(text.below, _WIDTH_INCHES)
    height = max(1.5, len(text.layers) * _ROW_INCHES) + 1.9 + text_inches(below)
    figure = Figure(figsize=(_WIDTH_INCHES, height), layout="constrained")
    axes = figure.subplots()
    at = np.arange(len(text.layers))
    axes.barh(at, high - low, left=low, height=0.7, color="#dddddd", label="random weights")
    axes.vlines(bar, at - 0.4, at + 0.4, color="black", linewidth=2, label="uniform attention")
    step = 0.5 / max(len(networks), 1)
    for number, (network, colour) in enumerate(zip(networks, _COLOURS, strict=False)):
        y = at + step * (number - (len(networks) - 1) / 2)
        means = [values.mean() for values in network.values]
        axes.plot(means, y, color=colour, linewidth=1, label=network.name)
        for place, values in zip(y, network.values, strict=True):
            axes.plot(values, np.full(len(values), place), "o", color=colour, markersize=3)
    axes.set_yticks(at, text.layers, fontsize=6)
    axes.invert_yaxis()
    axes.tick_params(axis="x", labelsize=7)
    axes.set_xlabel(text.axis, fontsize=8)
    figure.legend(fontsize=7, loc="outside upper center", ncol=3, title=text.title)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)
