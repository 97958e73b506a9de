"""Relevance of concepts for genes, each beside the range of random concepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_BEYOND, _WITHIN, _RANDOM = "#b2182b", "#4d4d4d", "#c6dbef"
_MOST_COLUMNS = 3
_INCHES_A_CONCEPT = 0.22


@dataclass(frozen=True, eq=False)
class GeneRelevance:
    """Relevance of every concept for one gene, as a share of the largest."""

    gene: str
    relevance: Float[np.ndarray, " M"]
    high: Float[np.ndarray, " M"]
    """Size that 95 % of random concepts stay below."""
    beyond_chance: Bool[np.ndarray, " M"]
    given: Float[np.ndarray, " M"]
    """Of what is left of the concept given haematoxylin density; NaN where that is undefined."""


def draw_relevance(
    genes: Sequence[GeneRelevance], concepts: Sequence[str], title: str, below: str, path: Path
) -> None:
    """Write a PNG: a panel for each gene with a line for each concept."""
    n_columns = min(_MOST_COLUMNS, len(genes))
    n_rows = -(-len(genes) // n_columns)
    width = 3.2 * n_columns + 3.4
    height = n_rows * (0.9 + _INCHES_A_CONCEPT * len(concepts)) + 1.3
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True)
    for axes, gene in zip(grid.flat, genes, strict=False):
        _draw_gene(axes, gene)
    for axes in grid.flat[len(genes) :]:
        axes.set_axis_off()
    first = grid[0, 0]
    first.set_yticks(range(len(concepts)), concepts, fontsize=7)
    first.set_ylim(len(concepts) - 0.4, -0.6)  # the first concept on top
    first.set_xlim(-1.08, 1.08)
    handles, labels = first.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right upper", fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)


def _draw_gene(axes: Axes, gene: GeneRelevance) -> None:
    row = np.arange(len(gene.relevance))
    known = np.isfinite(gene.relevance)
    high = np.clip(gene.high, 0.0, 1.05)
    axes.barh(row, 2 * high, left=-high, height=0.7, color=_RANDOM, label="95 % of random concepts")
    for part, colour, label in (
        (known & gene.beyond_chance, _BEYOND, "relevance, beyond them"),
        (known & ~gene.beyond_chance, _WITHIN, "relevance, within"),
    ):
        axes.plot(gene.relevance[part], row[part], "o", color=colour, markersize=5, label=label)
    axes.plot(
        gene.given,
        row,
        "o",
        markerfacecolor="none",
        markeredgecolor="black",
        markersize=7,
        linewidth=0,
        label="given haematoxylin density",
    )
    axes.axvline(0, color="black", linewidth=0.6)
    axes.set_title(gene.gene, fontsize=9)
    axes.tick_params(labelsize=7)
