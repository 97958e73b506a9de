"""Predictions of held-out sections before and after each step of each change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8

from histoscribe.explain.robust.changes import Change
from histoscribe.types import Section

_NO_SPREAD = 1e-6  # of the largest value: less is rounding


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class ChangedSection:
    """One section before and after the steps of a change."""

    section: Section
    rows: Int[np.ndarray, " n"]
    """The spots that are predicted."""
    columns: Int[np.ndarray, " K"]
    """Places of the genes that are asked about among the G genes of the panel."""
    panel_measured: Float[np.ndarray, "n G"]
    """NaN where the section lacks a gene."""
    panel_before: Float[np.ndarray, "n G"]
    panel_after: tuple[Float[np.ndarray, "n G"], ...]
    """After each step."""
    distance: tuple[Float[np.ndarray, " n"], ...] = ()
    """To the training spots, before and after each step; empty where it was not computed."""
    tiles: tuple[UInt8[np.ndarray, "P P 3"], ...] = ()
    """The example tile before and after each step."""

    @property
    def patient(self) -> str:
        """Patient; an unknown one counts as another one."""
        return self.section.patient or f"unknown ({self.section.id})"

    @property
    def measured(self) -> Float[np.ndarray, "n K"]:
        """Measured values of the genes; NaN where the section lacks one."""
        return self.panel_measured[:, self.columns]

    @property
    def before(self) -> Float[np.ndarray, "n K"]:
        """Predicted values of the genes, unchanged tiles."""
        return self.panel_before[:, self.columns]

    @property
    def after(self) -> tuple[Float[np.ndarray, "n K"], ...]:
        """Predicted values of the genes, each step."""
        return tuple(values[:, self.columns] for values in self.panel_after)


@final
@dataclass(frozen=True, eq=False)
class Curve:
    """All sections before and after the steps of one change."""

    name: str
    """Of the change, or `noise`."""
    change: Change
    steps: tuple[float, ...]
    sections: tuple[ChangedSection, ...]

    def shifts(self, step: int, deviation: Float[np.ndarray, " K"]) -> Float[np.ndarray, "n K"]:
        """Size of the change of each prediction after a step, in deviations of the gene."""
        return np.concatenate(
            [in_deviations(of.after[step] - of.before, deviation) for of in self.sections]
        )


@final
@dataclass(frozen=True, eq=False)
class ChangedPredictions:
    """Curves of all changes."""

    unchanged: tuple[ChangedSection, ...]
    """The sections as they are, with all their spots."""
    curves: tuple[Curve, ...]
    noise: Mapping[float, Float[np.ndarray, " draws"]]
    """Grey levels -> mean change of the predictions after each random change of that size, in
    deviations; empty where nothing was changed along the gradient."""

    @property
    def deviation(self) -> Float[np.ndarray, " K"]:
        """Deviation of each gene between spots as predicted before; NaN for a constant."""
        return spread_of([of.before for of in self.unchanged])


def spread_of(values: Sequence[Float[np.ndarray, "_ K"]]) -> Float[np.ndarray, " K"]:
    """Deviation of each gene over its defined values in all sections; NaN for a constant."""
    return np.array([_spread(column[~np.isnan(column)]) for column in np.concatenate(values).T])


def _spread(known: Float[np.ndarray, " n"]) -> float:
    if not known.size:
        return float("nan")
    spread = float(known.std())
    return spread if spread > _NO_SPREAD * np.abs(known).max() else float("nan")


def in_deviations(
    change: Float[np.ndarray, "*n K"], deviation: Float[np.ndarray, " K"]
) -> Float[np.ndarray, "*n K"]:
    """Sizes of changes over deviations; 0 where nothing changes, even without a deviation."""
    size = np.abs(change)
    with np.errstate(invalid="ignore"):
        return np.where(size == 0, 0.0, size / deviation)
