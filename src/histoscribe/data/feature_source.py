"""Features by row, in memory or read from the store when a bag needs them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Float32, Int

from histoscribe.data.features import StoredFeatures

Runs = Sequence[Int[np.ndarray, " _"]]


@runtime_checkable
class FeatureSource(Protocol):
    """Rows of features on request; an array is one, too."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of rows, and width."""

    def __getitem__(self, rows: Int[np.ndarray, " n"], /) -> np.ndarray:
        """Features of these rows, [n D]."""


@dataclass(frozen=True, eq=False)
class SectionFeatures:
    """Stacked features of many sections, each read from disk on request.

    1,000 patients with 4,000 tiles have 8 GB of features with 512 numbers a tile: they stay on
    disk, and a bag costs one pass over its own sections.
    """

    sections: tuple[StoredFeatures, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Number of all tiles, and width."""
        return int(self._starts[-1]), self.sections[0].width

    def __getitem__(self, rows: Int[np.ndarray, " n"]) -> Float32[np.ndarray, "n D"]:
        """Features of these rows; one section is in memory at a time."""
        values = np.empty((len(rows), self.shape[1]), dtype=np.float32)
        section = np.searchsorted(self._starts, rows, side="right") - 1
        for number in np.unique(section):
            of = section == number
            values[of] = self.sections[number].read()[rows[of] - self._starts[number]]
        return values

    @cached_property
    def _starts(self) -> Int[np.ndarray, " sections_and_end"]:
        return np.cumsum([0, *(len(of.order) for of in self.sections)])


def run_means(source: FeatureSource, runs: Runs) -> Float32[np.ndarray, "M D"]:
    """Mean feature of each run, one run in memory at a time."""
    return np.stack([source[run].mean(axis=0, dtype=np.float64) for run in runs]).astype(np.float32)


def mean_and_scale_of(
    source: FeatureSource, runs: Runs
) -> tuple[Float[np.ndarray, " D"], Float[np.ndarray, " D"]]:
    """Mean and standard deviation of each feature over all rows of these runs.

    As `mean_and_scale`, one run in memory at a time: the scale of a constant feature is infinite.
    """
    n_rows = sum(map(len, runs))
    total, squares = np.zeros(source.shape[1]), np.zeros(source.shape[1])
    for run in runs:
        total += source[run].sum(axis=0, dtype=np.float64)
    mean = total / n_rows
    for run in runs:
        squares += np.square(source[run] - mean).sum(axis=0)
    scale = np.sqrt(squares / n_rows)
    return mean, np.where(scale > 1e-6 * (1 + np.abs(mean)), scale, np.inf)
