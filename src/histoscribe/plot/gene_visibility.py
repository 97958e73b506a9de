"""Importance of genes for classes by how well images predict them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_DOT, _CHANCE = "#2166ac", "#d9d9d9"
_NAMED = 4


@dataclass(frozen=True, eq=False)
class VisibilityPanel:
    """Importance of all genes for one class."""

    title: str
    importance: Float[np.ndarray, " F"]


def draw_gene_visibility(
    genes: Sequence[str],
    visibility: tuple[Float[np.ndarray, " F"], float],
    panels: Sequence[VisibilityPanel],
    title: str,
    path: Path,
) -> None:
    """Write a PNG with one panel a class; `visibility` has the correlations and their chance."""
    correlation, chance = visibility
    figure = Figure(figsize=(0.6 + 3.2 * len(panels), 3.9), layout="constrained")
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        axes.axvspan(-chance, chance, color=_CHANCE, linewidth=0)
        axes.plot(correlation, panel.importance, "o", color=_DOT, markersize=4)
        for at in np.argsort(-panel.importance, kind="stable")[:_NAMED]:
            if np.isfinite(correlation[at]):
                place = (float(correlation[at]), float(panel.importance[at]))
                axes.annotate(
                    genes[at], place, xytext=(4, 2), textcoords="offset points", fontsize=7
                )
        axes.set_title(panel.title, fontsize=9)
        axes.set_xlabel("correlation, predicted with measured", fontsize=8)
        axes.set_xlim(min(-chance, float(np.nanmin(correlation, initial=0.0))) - 0.05, 1.2)
        axes.set_ylim(bottom=0)
    drawn[0].set_ylabel("importance for the class", fontsize=8)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)
