"""Mean scores of gene sets beside those of random sets, and scores of genes by expression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

MOST_SETS = 40
"""Sets in the figure: more have no room for their names."""
_STRONG, _PLAIN, _RANDOM = "#b2182b", "#4d4d4d", "#c6dbef"
_INCHES_A_SET = 0.19


@dataclass(frozen=True)
class SetScore:
    """Mean score of one set, and the middle 95 % of random sets."""

    name: str
    score: float
    low: float
    high: float
    enriched: bool


@dataclass(frozen=True, eq=False)
class ScoredGenes:
    """Scores of genes by their mean expression."""

    expression: Float[np.ndarray, " G"]
    """Counts per 10,000."""
    score: Float[np.ndarray, " G"]
    above_band: Bool[np.ndarray, " G"]
    names: Mapping[str, int]
    """Genes to name -> column."""


def draw_set_scores(
    sets: Sequence[SetScore], genes: ScoredGenes, score_name: str, title: str, path: Path
) -> None:
    """Write a PNG: on the left the first `MOST_SETS` sets from the top, on the right the genes."""
    sets = sets[:MOST_SETS]
    height = max(4.2, 1.4 + _INCHES_A_SET * len(sets))
    figure = Figure(figsize=(13, height), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.15, 1])
    _draw_sets(left, sets, score_name)
    _draw_genes(right, genes, score_name)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)


def _draw_sets(axes: Axes, sets: Sequence[SetScore], score_name: str) -> None:
    for row, item in enumerate(sets):
        axes.plot([item.low, item.high], [row, row], color=_RANDOM, linewidth=6, zorder=1)
        colour = _STRONG if item.enriched else _PLAIN
        axes.plot(item.score, row, "o", color=colour, markersize=4.5, zorder=2)
    axes.plot([], [], color=_RANDOM, linewidth=6, label="95 % of random sets, matched")
    axes.plot([], [], "o", color=_STRONG, markersize=4.5, label="set, q < 0.05")
    axes.plot([], [], "o", color=_PLAIN, markersize=4.5, label="set")
    axes.set_yticks(range(len(sets)), [item.name for item in sets], fontsize=7)
    axes.set_ylim(len(sets) - 0.4, -0.6)  # the first set on top
    axes.set_xlabel(f"mean {score_name} of the members")
    _legend_above(axes)


def _draw_genes(axes: Axes, genes: ScoredGenes, score_name: str) -> None:
    above = genes.above_band
    for part, colour, label in (
        (~above, _PLAIN, "gene, not above its shuffled band"),
        (above, _STRONG, "gene, above its shuffled band"),
    ):
        x, y = genes.expression[part], genes.score[part]
        axes.scatter(x, y, s=9, color=colour, linewidths=0, alpha=0.7, label=f"{label} ({len(x)})")
    for name, column in genes.names.items():
        x, y = float(genes.expression[column]), float(genes.score[column])
        axes.plot(x, y, "o", markersize=6, markerfacecolor="none", markeredgecolor="black")
        axes.annotate(name, (x, y), xytext=(5, 4), textcoords="offset points", fontsize=8)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xscale("log")
    axes.set_xlabel("counts per 10,000 (mean over sections)")
    axes.set_ylabel(score_name)
    _legend_above(axes)


def _legend_above(axes: Axes) -> None:
    """Draw the legend outside, where it hides no point."""
    axes.legend(fontsize=7, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, frameon=False)
