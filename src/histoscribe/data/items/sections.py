"""Sections as items: a row of a batch is all spots of one section, each with a prediction."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.runs import RunItems, Runs, runs_of
from histoscribe.data.items.spots import training_table_of
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
        """Target of each spot, mask of present spots, and the patient."""
        table = training_table_of(self.table)
        return Labels(
            target=self.padded(table.target, rows),
            present=self.present(rows),
            patient=self.patient(rows),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"]:
        """All spots of these sections, section by section."""
        return np.concatenate([self.runs[row] for row in rows])
