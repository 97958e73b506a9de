"""Scores of genes over the number of pieces that tiles are cut into, as curves."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, text_inches, wrapped

_COLOURS = ("#000000", "#b2182b", "#2166ac", "#8c8c8c", "#1b7837", "#e08214", "#762a83", "#35978f")
_CHANCE = "#d9d9d9"


@dataclass(frozen=True, eq=False)
class PieceCurve:
    """Scores of one group of genes, from whole tiles to the finest pieces."""

    name: str
    shuffled: Float[np.ndarray, " V"]
    turned: Float[np.ndarray, " V"]
    """Of pieces that stay in their places; the first value is that of whole tiles, too."""


@dataclass(frozen=True, eq=False)
class GeneCurve:
    """Scores of one gene from shuffled pieces, and how its group is called."""

    group: str
    shuffled: Float[np.ndarray, " V"]


def draw_piece_curves(
    groups: Sequence[PieceCurve],
    genes: Sequence[GeneCurve],
    chance: Float[np.ndarray, "2 V"],
    axis: Sequence[str],
    text: tuple[str, str],
    path: Path,
) -> None:
    """Write a PNG: groups on the left, with the range by chance of all genes, genes on the right.

    Parameters
    ----------
    axis
        Names of the cuts, from whole tiles to the finest pieces.
    text
        Title, and the lines below.
    """
    title, below = text
    words = wrapped(below, 10.5)
    figure = Figure(figsize=(10.5, 5.2 + text_inches(words)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    place = np.arange(len(axis))
    colours = dict(zip((group.name for group in groups), _repeated(len(groups)), strict=True))
    left.fill_between(place, chance[0], chance[1], color=_CHANCE, label="all genes by chance, 95 %")
    for group in groups:
        colour = colours[group.name]
        left.plot(place, group.shuffled, "o-", color=colour, markersize=4, label=group.name)
        left.plot(place, group.turned, "x--", color=colour, markersize=4, linewidth=1)
    left.plot([], [], "kx--", markersize=4, linewidth=1, label="pieces turned in their places")
    left.set_title("groups, mean of their genes", fontsize=9)
    left.set_ylabel("PCC with measured values, held out")
    for gene in genes:
        colour = colours.get(gene.group, _CHANCE)
        right.plot(place, gene.shuffled, color=colour, linewidth=0.8, alpha=0.7)
    right.set_title(f"{len(genes)} genes, shuffled pieces", fontsize=9)
    for axes in (left, right):
        _finish(axes, axis)
    left.legend(fontsize=7, loc="best", frameon=False)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(words, fontsize=7)
    save_png(figure, path)


def _repeated(n_groups: int) -> list[str]:
    return [_COLOURS[number % len(_COLOURS)] for number in range(n_groups)]


def _finish(axes: Axes, names: Sequence[str]) -> None:
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_xticks(range(len(names)), names, fontsize=8)
    axes.set_xlabel("pieces a side")
