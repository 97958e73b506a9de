"""Error over the number of patients of a class in training."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure
from scipy.stats import t

from histoscribe.plot.canvas import save_png

_COLOURS = ("#b2182b", "#2166ac", "#969696")


@dataclass(frozen=True, eq=False)
class LevelCurve:
    """Errors of several draws at each level."""

    name: str
    levels: tuple[int, ...]
    errors: Float[np.ndarray, "levels draws"]
    by_chance: bool
    """Whether it is drawn as the level of chance."""


def draw_level_curves(curves: Sequence[LevelCurve], title: str, path: Path) -> None:
    """Write a PNG: mean over draws with its 95 % interval, and each draw as a thin line."""
    figure = Figure(figsize=(6.0, 4.2), layout="constrained")
    axes = figure.subplots()
    for curve, colour in zip(curves, _COLOURS, strict=True):
        n_draws = curve.errors.shape[1]
        mean = curve.errors.mean(axis=1)
        reach = t.ppf(0.975, n_draws - 1) * curve.errors.std(axis=1, ddof=1) / np.sqrt(n_draws)
        dashes = "--" if curve.by_chance else "-"
        axes.errorbar(
            curve.levels, mean, reach, color=colour, linestyle=dashes, capsize=3, label=curve.name
        )
        if not curve.by_chance:
            axes.plot(curve.levels, curve.errors, color=colour, linewidth=0.5, alpha=0.5)
    axes.set_xticks(sorted({level for curve in curves for level in curve.levels}))
    axes.set_xlabel("patients of the class in training", fontsize=8)
    axes.set_ylabel("squared error on held-out patients,\nrelative to the mean label", fontsize=8)
    axes.tick_params(labelsize=7)
    axes.legend(fontsize=7, frameon=False)
    axes.set_title(title, fontsize=9)
    figure.supxlabel("Thin lines: draws. Bars: 95 % of the mean over draws.", fontsize=6.5)
    save_png(figure, path)
