"""Bags as items: a row of a batch is all spots of one patient, with one label."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import torch
from jaxtyping import Float32, Int

from histoscribe.data.items.runs import RunItems, Runs, runs_of
from histoscribe.data.items.spots import size_factors_of, training_table_of
from histoscribe.data.tile_measures.section_measures import bag_means
from histoscribe.types import Labels, SpotKeys


@final
@dataclass(frozen=True, eq=False)
class BagItems(RunItems):
    """Each item consists of the spots of one patient, from one section or several.

    Its label is the mean of their targets: the pseudo-bulk of the patient, in the target's unit.
    For a loss of counts it is the sum of their counts, with their total as size factor. A concept
    is the mean over its spots, as multiples of its deviation between bags.
    """

    may_be_divided = False

    @classmethod
    def divide(cls, keys: SpotKeys, rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
        """Rows grouped by patient; a section without a known patient is a separate bag."""
        known = keys.patient >= 0
        bag = np.where(known, keys.patient, len(keys.patients) + keys.section)
        return runs_of(bag, rows, n_once)

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Mean target of each bag, sum of its counts, its patient and site."""
        table = training_table_of(self.table)
        runs = [self.runs[row] for row in rows]
        means = [table.target[run].mean(axis=0, dtype=np.float64) for run in runs]
        counts = factor = None
        if table.counts is not None:
            counts = torch.from_numpy(np.stack([table.counts[run].sum(axis=0) for run in runs]))
            factor = torch.tensor([float(size_factors_of(table, run).sum()) for run in runs])
        return Labels(
            target=torch.from_numpy(np.stack(means).astype(np.float32)),
            patient=self.patient(rows),
            site=self.site(rows),
            counts=counts,
            size_factor=factor,
            concept=None if self._concept is None else torch.from_numpy(self._concept[rows]),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> None:
        """None: a bag has one prediction, not one for each spot."""

    @cached_property
    def _concept(self) -> Float32[np.ndarray, "n C"] | None:
        values = training_table_of(self.table).concept
        if values is None:
            return None
        means = bag_means(values, self.runs)
        deviation = np.nanstd(means, axis=0)
        return (means - np.nanmean(means, axis=0)) / np.where(deviation > 0, deviation, 1.0)


@final
@dataclass(frozen=True, eq=False)
class TileItems(RunItems):
    """Bags of one spot each: a bag model's prediction for every spot as a whole bag."""

    may_be_divided = False

    @classmethod
    def divide(cls, keys: SpotKeys, rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
        """Each row as a separate item."""
        del keys, n_once
        return tuple(rows[:, None])

    def at_once(self, names: Sequence[str]) -> int:
        """Many: all have one spot, so none needs padding. A model may add tokens to each bag."""
        del names
        return 256

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Raises ValueError: they are never used for training."""
        raise ValueError("bags of one spot are predicted, never trained on")

    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"]:
        """Spot of each bag."""
        return np.concatenate([self.runs[row] for row in rows])
