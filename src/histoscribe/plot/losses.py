"""Losses of spots with true and with permuted labels: over epochs, as histograms, as ROC."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png

_TRUE, _PERMUTED, _PLAIN = "#4d4d4d", "#b2182b", "#2166ac"
_OTHERS = ("#8c510a", "#bf812d", "#35978f", "#01665e")
_BINS = 40
_FAINT = 0.6  # so that the lines of the mixture are seen on the bars


@dataclass(frozen=True, eq=False)
class LossCurves:
    """Loss curve of each spot: before training, after each epoch."""

    name: str
    values: Float[np.ndarray, "records n"]


@dataclass(frozen=True, eq=False)
class LossHistogram:
    """Logarithms of losses, and the density of the mixture that describes them."""

    title: str
    log_loss: Float[np.ndarray, " n"]
    permuted: Bool[np.ndarray, " n"] | None
    """None for a training without permuted labels."""
    at: Float[np.ndarray, " points"]
    density: Float[np.ndarray, "components points"]


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Share of permuted labels over the share of true ones, from none to all spots."""

    name: str
    auroc: float
    of_true: Float[np.ndarray, " points"]
    of_permuted: Float[np.ndarray, " points"]
    strong: bool
    """Whether it is drawn as a loss, not as a simple rule."""


def draw_loss_curves(
    curves: Sequence[LossCurves],
    permuted: Bool[np.ndarray, " n"],
    best_epoch: int,
    score: tuple[str, Sequence[float]],
    path: Path,
) -> None:
    """Write a PNG: a panel for each loss, median and quartiles of both groups, and the score.

    `score` is the name and the values of the score on inner patients after each epoch.
    """
    n_panels = len(curves) + 1
    figure = Figure(figsize=(4.6 * n_panels, 3.9), layout="constrained")
    axes = figure.subplots(1, n_panels, squeeze=False)[0]
    for of, curve in zip(axes, curves, strict=False):
        epochs = np.arange(len(curve.values))
        for part, colour, label in (
            (~permuted, _TRUE, "true label"),
            (permuted, _PERMUTED, "permuted label"),
        ):
            low, middle, high = np.percentile(curve.values[:, part], [25, 50, 75], axis=1)
            of.plot(epochs, middle, color=colour, label=f"{label} ({part.sum():,})")
            of.fill_between(epochs, low, high, color=colour, alpha=0.2, linewidth=0)
        of.set_ylabel(f"{curve.name} of a spot")
        _mark_best(of, best_epoch)
        of.set_ylim(bottom=0)
    axes[-1].plot(np.arange(1, len(score[1]) + 1), score[1], color=_PLAIN, label=score[0])
    axes[-1].set_ylabel(f"{score[0]} of each epoch")
    _mark_best(axes[-1], best_epoch)
    figure.suptitle("Median and quartiles of the spots; only epochs up to the best count")
    save_png(figure, path)


def draw_loss_histograms(histograms: Sequence[Sequence[LossHistogram]], path: Path) -> None:
    """Write a PNG: a row for each loss, a column for each training."""
    n_rows, n_columns = len(histograms), len(histograms[0])
    figure = Figure(figsize=(5.2 * n_columns, 3.6 * n_rows), layout="constrained")
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for row, of_row in zip(axes, histograms, strict=True):
        for of, histogram in zip(row, of_row, strict=True):
            _draw_histogram(of, histogram)
    save_png(figure, path)


def draw_roc(curves: Sequence[RocCurve], title: str, path: Path) -> None:
    """Write a PNG with all curves; simple rules are thin."""
    figure = Figure(figsize=(6.2, 5.2), layout="constrained")
    axes = figure.subplots()
    colours = {True: iter((_PERMUTED, _PLAIN)), False: iter(_OTHERS)}
    for curve in curves:
        axes.plot(
            curve.of_true,
            curve.of_permuted,
            color=next(colours[curve.strong]),
            linewidth=2.0 if curve.strong else 1.0,
            linestyle="-" if curve.strong else "--",
            label=f"{curve.name}: AUROC {curve.auroc:.2f}",
        )
    axes.plot([0, 1], [0, 1], color="black", linewidth=0.6)
    axes.set_xlabel("share of the spots with their true label")
    axes.set_ylabel("share of the spots with a permuted label")
    axes.set_aspect("equal")
    axes.legend(fontsize=8, loc="lower right")
    axes.set_title(title, fontsize=10)
    save_png(figure, path)


def _mark_best(axes: Axes, best_epoch: int) -> None:
    axes.axvline(best_epoch, color="black", linewidth=0.8, linestyle=":", label="best epoch")
    axes.set_xlabel("epoch")
    axes.legend(fontsize=8, frameon=False)


def _draw_histogram(axes: Axes, histogram: LossHistogram) -> None:
    values = histogram.log_loss
    edges = np.histogram_bin_edges(values, _BINS)
    counts, _ = np.histogram(values, edges)
    if histogram.permuted is None:
        label = f"all spots ({len(values):,})"
        axes.stairs(counts, edges, fill=True, color=_PLAIN, alpha=_FAINT, label=label)
    else:
        of_true, _ = np.histogram(values[~histogram.permuted], edges)
        n_permuted = int(histogram.permuted.sum())
        for heights, base, colour, label in (
            (of_true, np.zeros_like(of_true), _TRUE, f"true label ({len(values) - n_permuted:,})"),
            (counts, of_true, _PERMUTED, f"permuted label ({n_permuted:,})"),
        ):
            bars = axes.stairs(heights, edges, baseline=base, fill=True, color=colour, label=label)
            bars.set_alpha(_FAINT)
    scale = len(values) * (edges[1] - edges[0])
    for number, component in enumerate(histogram.density):
        # a name with an underscore in front is not in the legend
        label = "_more" if number else "Gaussian components"
        axes.plot(histogram.at, scale * component, color="black", linewidth=1.0, label=label)
    axes.set_title(histogram.title, fontsize=9)
    axes.set_xlabel("natural logarithm of the mean loss up to the best epoch")
    axes.set_ylabel("spots")
    axes.legend(fontsize=7, frameon=False)
