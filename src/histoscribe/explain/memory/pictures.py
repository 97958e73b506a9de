"""The figures of `memory`: losses over epochs, histograms with their mixtures, ROC."""

from pathlib import Path

import numpy as np

from histoscribe.explain.memory.separation import auroc, roc_curve
from histoscribe.explain.memory.spots import LOSSES, ProbedSpots
from histoscribe.explain.memory.trainings import MEASURED, PROBE
from histoscribe.plot.losses import (
    LossCurves,
    LossHistogram,
    RocCurve,
    draw_loss_curves,
    draw_loss_histograms,
    draw_roc,
)

_N_POINTS = 200
_TRAININGS = {PROBE: "probe, with permuted labels", MEASURED: "labels as measured"}


def draw_losses(spots: ProbedSpots, path: Path) -> None:
    """Draw the losses of both groups over the epochs of the probe."""
    probe = spots.probe
    curves = [
        LossCurves("loss", probe.losses),
        LossCurves("relative loss", probe.relative_losses),
    ]
    draw_loss_curves(curves, spots.permuted, probe.best_epoch, probe.scores, path)


def draw_mixtures(spots: ProbedSpots, path: Path) -> None:
    """Draw histogram and mixture of both losses, for the probe and for measured labels."""
    draw_loss_histograms(
        [[_histogram(spots, name, kind) for name in _TRAININGS] for kind in LOSSES], path
    )


def draw_separations(spots: ProbedSpots, path: Path) -> None:
    """Draw the ROC of both losses beside the simple rules."""
    curves = [
        RocCurve(
            name.replace("_", " "),
            auroc(value, spots.permuted),
            *roc_curve(value, spots.permuted),
            strong=name in LOSSES,
        )
        for name, value in spots.values.items()
    ]
    draw_roc(curves, f"{spots.permuted.sum():,} of {len(spots.keys):,} labels permuted", path)


def _histogram(spots: ProbedSpots, name: str, kind: str) -> LossHistogram:
    mixture = spots.mixtures[name, kind]
    at = np.linspace(mixture.log_loss.min(), mixture.log_loss.max(), _N_POINTS)
    words = f"{mixture.n_components} component{'s' if mixture.n_components > 1 else ''}"
    return LossHistogram(
        title=f"{kind.replace('_', ' ')}; {_TRAININGS[name]}\n"
        f"BIC prefers {words} (gain of two: {mixture.bic_gain:.0f})",
        log_loss=mixture.log_loss,
        permuted=spots.permuted if name == PROBE else None,
        at=at,
        density=mixture.density(at),
    )
