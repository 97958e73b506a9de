"""Scores over the steps of changes, sizes of changes, and errors over distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_CHANCE, _PATIENT, _MEAN, _RANDOM = "#d9d9d9", "#92c5de", "#b2182b", "#4d4d4d"
_COLUMNS = 4
_PANEL_INCHES = (3.0, 2.6)
_LINEAR = 0.1  # below it, sizes have a linear axis that reaches 0


@dataclass(frozen=True, eq=False)
class StepCurve:
    """One number over the steps of a change, the weakest step first."""

    title: str
    labels: tuple[str, ...]
    """Of each step; the first is that without a change."""
    unit: str
    """Of the steps."""
    mean: Float[np.ndarray, " steps"]
    of_patients: Float[np.ndarray, "P steps"]
    band: Float[np.ndarray, "2 steps"] | None
    """The middle 95 % by chance; None of a size, which has a logarithmic axis."""
    compared: tuple[str, Float[np.ndarray, " steps"]] | None = None
    """Name and values of what the mean is compared with."""


@dataclass(frozen=True, eq=False)
class DistanceBins:
    """A number of spots in bins of their distance to the training."""

    title: str
    ranges: tuple[str, ...]
    of_patients: Float[np.ndarray, "P bins"]
    """NaN where a patient has no spot in a bin."""
    n_spots: Int[np.ndarray, " bins"]


def draw_step_curves(
    curves: Sequence[StepCurve], what: str, title: str, below: str, path: Path
) -> None:
    """Write a PNG with a panel for each change: `what` over its steps, by patient and mean."""
    figure, panels = _panels(len(curves), share_y=True)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_curve(axes, curve)
        axes.set_ylabel(what, fontsize=7)
    if all(curve.band is None for curve in curves):
        panels[0].set_yscale("symlog", linthresh=_LINEAR)
        panels[0].set_ylim(
            0, max(_LINEAR, *(1.5 * np.nanmax(of.mean, initial=0.0) for of in curves))
        )
    _finish(figure, title, below, path)


def draw_distance_bins(bins: Sequence[DistanceBins], title: str, below: str, path: Path) -> None:
    """Write a PNG with a panel for each number over the distance, by patient and on average."""
    figure, panels = _panels(len(bins), share_y=False)
    for axes, of in zip(panels, bins, strict=False):
        at = np.arange(len(of.ranges))
        for values in of.of_patients:
            axes.plot(at, values, color=_PATIENT, marker="o", markersize=3)
        known = ~np.isnan(of.of_patients).all(axis=0)
        means = np.nanmean(of.of_patients[:, known], axis=0)
        axes.plot(at[known], means, color=_MEAN, marker="s", markersize=4, linewidth=1.8)
        labels = [f"{words}\n{n:,}" for words, n in zip(of.ranges, of.n_spots, strict=True)]
        axes.set_xticks(at, labels, fontsize=6)
        axes.set_xlabel("distance to training; spots", fontsize=7)
        axes.set_title(of.title, fontsize=8)
        axes.set_ylim(bottom=0)
        axes.tick_params(axis="y", labelsize=6)
    _finish(figure, title, below, path)


def _draw_curve(axes: Axes, curve: StepCurve) -> None:
    at = np.arange(len(curve.labels))
    if curve.band is not None:
        axes.fill_between(at, *curve.band, color=_CHANCE, linewidth=0, label="by chance")
        axes.axhline(0.0, color="black", linewidth=0.5)
    for number, values in enumerate(curve.of_patients):
        # a name with an underscore in front is not in the legend
        label = "_more" if number else "a patient"
        axes.plot(at, values, color=_PATIENT, linewidth=0.9, label=label)
    if curve.compared is not None:
        name, values = curve.compared
        axes.plot(at, values, color=_RANDOM, marker="o", markersize=3, ls="--", label=name)
    axes.plot(at, curve.mean, color=_MEAN, marker="s", markersize=3.5, linewidth=1.8, label="mean")
    axes.set_xticks(at, curve.labels, fontsize=6)
    axes.set_xlabel(curve.unit, fontsize=7)
    axes.set_title(curve.title, fontsize=8)
    axes.tick_params(axis="y", labelsize=6)
    axes.legend(fontsize=5.5, frameon=False)


def _panels(n_panels: int, *, share_y: bool) -> tuple[Figure, list[Axes]]:
    n_columns = min(_COLUMNS, n_panels)
    n_rows = -(-n_panels // n_columns)
    width, height = _PANEL_INCHES
    size = (max(n_columns * width, 6.0), n_rows * height + 1.2)
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(n_rows, n_columns, squeeze=False, sharey=share_y).flat)
    for axes in panels[n_panels:]:
        axes.set_axis_off()
    return figure, panels


def _finish(figure: Figure, title: str, below: str, path: Path) -> None:
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, figure.get_figwidth()), fontsize=7)
    save_png(figure, path)
