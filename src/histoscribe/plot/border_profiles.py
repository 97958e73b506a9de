"""Means of two maps by distance from a border."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_PREDICTED, _MEASURED, _RANDOM = "#b2182b", "#2166ac", "#e0e0e0"


@dataclass(frozen=True, eq=False)
class BorderProfile:
    """Means of one pathway in each band; NaN is not drawn."""

    name: str
    predicted: Float[np.ndarray, " bands"]
    measured: Float[np.ndarray, " bands"]
    low: Float[np.ndarray, " bands"]
    """2.5th percentile of equally smooth random maps in place of the prediction."""
    high: Float[np.ndarray, " bands"]
    """97.5th percentile."""


def draw_border_profiles(
    distance_um: Float[np.ndarray, " bands"],
    profiles: Sequence[BorderProfile],
    title: str,
    path: Path,
) -> None:
    """Write a PNG with a panel for each profile; distances below zero are inside."""
    figure = Figure(figsize=(1 + 3.2 * len(profiles), 3.6), layout="constrained")
    grid = figure.subplots(1, len(profiles), squeeze=False, sharey=True)[0]
    for axes, profile in zip(grid, profiles, strict=True):
        known = np.isfinite(profile.predicted) & np.isfinite(profile.measured)
        at = distance_um[known]
        axes.fill_between(
            at,
            profile.low[known],
            profile.high[known],
            color=_RANDOM,
            label="95 % of equally smooth random maps",
        )
        axes.plot(at, profile.predicted[known], "o-", color=_PREDICTED, ms=4, label="score")
        axes.plot(at, profile.measured[known], "s-", color=_MEASURED, ms=4, label="measured")
        axes.axvline(0, color="black", linewidth=0.6, linestyle="--")
        axes.set_title(profile.name, fontsize=9)
        axes.set_xlabel("distance from the border, um\n(below zero: inside)", fontsize=8)
        axes.tick_params(labelsize=7)
    grid[0].set_ylabel("standard deviations of the section", fontsize=8)
    handles, labels = grid[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=7, frameon=False)
    figure.suptitle(title, fontsize=10)
    save_png(figure, path)
