"""Sections as items: a row of a batch is all spots of one section, and each is predicted."""

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
    """Each item is the spots of one section that are on one side of a fold."""

    may_be_divided = True

    @classmethod
    def divide(cls, keys: SpotKeys, rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
        """These rows, section by section."""
        return runs_of(keys.section, rows, n_once)

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Target of each spot, which of them are present, and the patient."""
        table = training_table_of(self.table)
        return Labels(
            target=self.padded(table.target, rows),
            present=self.present(rows),
            patient=self.patient(rows),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"]:
        """All spots of these sections, one section after the other."""
        return np.concatenate([self.runs[row] for row in rows])
