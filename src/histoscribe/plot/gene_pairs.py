"""Gene by gene matrices side by side in one order, and points of gene pairs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_COLOURS = "RdBu_r"
_MODEL, _SHUFFLED = "#b2182b", "#8c8c8c"
_MOST_LABELLED = 60
_SIDE_INCHES = 3.6
_LARGE_SHARE = 99  # percentile of the absolute values that has the full colour


@dataclass(frozen=True, eq=False)
class GeneMatrix:
    """Values of gene pairs, -1 to 1."""

    title: str
    values: Float[np.ndarray, "G G"]


@dataclass(frozen=True, eq=False)
class GeneOrder:
    """Order and clusters of the genes of all matrices of a figure."""

    labels: tuple[str, ...]
    order: Int[np.ndarray, " G"]
    of_gene: Int[np.ndarray, " G"]
    """Cluster of each gene; those of a cluster follow each other in the order."""


@dataclass(frozen=True, eq=False)
class PairPoints:
    """Values of gene pairs over their co-expression: of the model, and of one shuffled training."""

    title: str
    unit: str
    coexpression: Float[np.ndarray, " P"]
    model: Float[np.ndarray, " P"]
    shuffled: Float[np.ndarray, " P"]


@dataclass(frozen=True, eq=False)
class MeasureDots:
    """A number of the model, beside those of shuffled trainings."""

    name: str
    model: float
    shuffled: Float[np.ndarray, " n"]


def draw_gene_matrices(
    matrices: Sequence[GeneMatrix], genes: GeneOrder, text: tuple[str, str], path: Path
) -> None:
    """Write a PNG of matrices on one scale with lines between clusters; `text`: title, below."""
    width = _SIDE_INCHES * len(matrices) + 1.4
    below = wrapped(text[1], width)
    figure = Figure(figsize=(width, _SIDE_INCHES + 1.6 + text_inches(below)), layout="constrained")
    panels = figure.subplots(1, len(matrices), squeeze=False)[0]
    size = len(genes.order)
    apart = ~np.eye(size, dtype=bool)
    every = np.abs(np.concatenate([of.values[apart] for of in matrices]))
    largest = float(np.percentile(every, _LARGE_SHARE)) or 1.0
    for axes, matrix in zip(panels, matrices, strict=True):
        values = np.where(apart, matrix.values, np.nan)[np.ix_(genes.order, genes.order)]
        drawn = axes.imshow(
            values, cmap=_COLOURS, vmin=-largest, vmax=largest, interpolation="nearest"
        )
        for at in np.flatnonzero(np.diff(genes.of_gene[genes.order])):
            axes.axhline(at + 0.5, color="black", linewidth=0.6)
            axes.axvline(at + 0.5, color="black", linewidth=0.6)
        axes.set_title(matrix.title, fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    if size <= _MOST_LABELLED:
        names = [genes.labels[at] for at in genes.order]
        panels[0].set_yticks(np.arange(size), names, fontsize=max(3.5, min(7.0, 220 / size)))
    bar = figure.colorbar(drawn, ax=list(panels), aspect=30, pad=0.01)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(text[0], fontsize=10)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)


def draw_pair_points(
    panels: Sequence[PairPoints], dots: Sequence[MeasureDots], text: tuple[str, str], path: Path
) -> None:
    """Write a PNG: points of pairs, then numbers of the model beside those of trainings."""
    width = _SIDE_INCHES * (len(panels) + 1)
    below = wrapped(text[1], width)
    figure = Figure(figsize=(width, _SIDE_INCHES + 1.4 + text_inches(below)), layout="constrained")
    axes = figure.subplots(1, len(panels) + 1, squeeze=False)[0]
    for of, panel in zip(axes, panels, strict=False):
        _draw_points(of, panel)
    _draw_dots(axes[-1], dots)
    figure.suptitle(text[0], fontsize=10)
    figure.supxlabel(below, fontsize=7)
    save_png(figure, path)


def _draw_points(axes: Axes, panel: PairPoints) -> None:
    size = float(np.clip(6000 / max(len(panel.model), 1), 1.5, 12.0))
    style: dict[str, Any] = {"s": size, "linewidths": 0, "alpha": 0.6, "rasterized": True}
    axes.scatter(panel.coexpression, panel.shuffled, color=_SHUFFLED, **style)
    axes.scatter(panel.coexpression, panel.model, color=_MODEL, **style)
    axes.axhline(0, color="0.5", linewidth=0.5)
    axes.axvline(0, color="0.5", linewidth=0.5)
    axes.set_title(panel.title, fontsize=8)
    axes.set_xlabel("co-expression, correlation", fontsize=8)
    axes.set_ylabel(panel.unit, fontsize=8)
    axes.tick_params(labelsize=7)


def _draw_dots(axes: Axes, dots: Sequence[MeasureDots]) -> None:
    for row, of in enumerate(dots):
        at = np.full(len(of.shuffled), row)
        axes.plot(of.shuffled, at, "o", color=_SHUFFLED, markersize=6, label="shuffled rows")
        axes.plot([of.model], [row], "D", color=_MODEL, markersize=6, label="the model")
        if row == 0:
            axes.legend(fontsize=7, loc="best")
    axes.set_yticks(range(len(dots)), [of.name for of in dots], fontsize=7)
    axes.set_ylim(len(dots) - 0.5, -0.5)
    axes.axvline(0, color="0.5", linewidth=0.5)
    axes.tick_params(axis="x", labelsize=7)
    axes.set_title("trained on shuffled rows, and on the true ones", fontsize=8)
