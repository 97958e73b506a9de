"""Sections as items: a row of a batch is all spots of one section, each with a prediction."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.runs import RunItems, Runs, runs_of
from histoscribe.data.items.spots import size_factors_of, training_table_of
from histoscribe.types import Labels, SpotKeys


@final
@dataclass(frozen=True, eq=False)
class SectionItems(RunItems):
    """Each item consists of the spots of one section on one side of a fold."""

    may_be_divided = True

    @classmethod
    def divide(cls, keys: SpotKeys, rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
        """Rows grouped by section."""
        return runs_of(keys.section, rows, n_once)

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Target and counts of each spot, mask of present spots, patient and site."""
        table = training_table_of(self.table)
        counts, factor = table.counts, size_factors_of(table, slice(None))[:, None]
        return Labels(
            target=self.padded(table.target, rows),
            present=self.present(rows),
            patient=self.patient(rows),
            site=self.site(rows),
            counts=None if counts is None else self.padded(counts, rows),
            size_factor=None if counts is None else self.padded(factor, rows)[..., 0],
            pathways=None if table.pathways is None else self.padded(table.pathways, rows),
            concept=None if table.concept is None else self.padded(table.concept, rows),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"]:
        """All spots of these sections, section by section."""
        return np.concatenate([self.runs[row] for row in rows])
