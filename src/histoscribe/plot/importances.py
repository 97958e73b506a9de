"""Importance of genes for each class, with its spread, over the level of chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_DOT, _CHANCE = "#2166ac", "#d9d9d9"
_INCHES_A_GENE = 0.17


@dataclass(frozen=True, eq=False)
class ClassImportances:
    """Genes of one class, the most important ones first."""

    title: str
    genes: tuple[str, ...]
    importance: Float[np.ndarray, " G"]
    low: Float[np.ndarray, " G"]
    high: Float[np.ndarray, " G"]
    chance: float
    """Level that 95 % of all genes stay below with permuted labels."""


def draw_importances(classes: Sequence[ClassImportances], title: str, path: Path) -> None:
    """Write a PNG with one panel a class."""
    most = max(len(of.genes) for of in classes)
    size = (0.6 + 2.6 * len(classes), 1.5 + _INCHES_A_GENE * most)
    figure = Figure(figsize=size, layout="constrained")
    for axes, of in zip(figure.subplots(1, len(classes), squeeze=False)[0], classes, strict=True):
        _draw(axes, of)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _draw(axes: Axes, of: ClassImportances) -> None:
    rows = range(len(of.genes))
    axes.axvspan(0, of.chance, color=_CHANCE, linewidth=0)
    axes.hlines(rows, of.low, of.high, color=_DOT, linewidth=1.2)
    axes.plot(of.importance, rows, "o", color=_DOT, markersize=4)
    axes.set_yticks(rows, of.genes, fontsize=7)
    axes.set_ylim(len(of.genes) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.set_title(of.title, fontsize=9)
    axes.set_xlabel("mean size of the added log odds", fontsize=7)
    axes.tick_params(axis="x", labelsize=7)
