"""Bags with a measured label as items: a row of a batch is all tiles of a bag."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Int

from histoscribe.data.items.bag_table import BagTable
from histoscribe.data.items.items import Batch, Items
from histoscribe.data.items.runs import padded_runs, present_in, slides_in
from histoscribe.data.sites import site_codes
from histoscribe.data.transform import size_factors
from histoscribe.types import Labels, SpotKeys

_SINGLE = 4096  # bags of one tile in a pass: none needs padding


@final
@dataclass(frozen=True, eq=False)
class LabelledBags(Items):
    """Each item is one bag of a table; its features are read when its batch is built."""

    table: BagTable

    built = frozenset({"context_feature", "context_um", "context_slide", "present"})

    @property
    def keys(self) -> SpotKeys:
        """Name and patient of each bag."""
        return self.table.keys

    def __len__(self) -> int:
        return len(self.table)

    def n_spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Number of tiles of each bag."""
        return np.array([len(self.table.runs[row]) for row in rows], dtype=np.int64)

    def at_once(self, names: Sequence[str]) -> int:
        """One: without padding, so that no other bag can change its last bits."""
        del names
        return _SINGLE if max(map(len, self.table.runs)) == 1 else 1

    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build only these fields for these bags."""
        runs = [self.table.runs[row] for row in rows]
        build = {
            "context_feature": lambda: padded_runs(self.table.feature, runs),
            "context_um": lambda: padded_runs(self.table.xy_um, runs),
            "context_slide": lambda: slides_in([self.table.slide[run] for run in runs]),
            "present": lambda: present_in(runs),
        }
        return {name: build[name]() for name in names}

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Measured values of each bag, with its patient and site."""
        table = self.table
        counts = size_factor = site = None
        if table.counts is not None:
            counts = torch.from_numpy(table.counts[rows].astype(np.float32))
            totals = np.expm1(table.log_total[rows].astype(np.float64))
            size_factor = torch.from_numpy(size_factors(totals).astype(np.float32))
        if table.sites:
            site = torch.from_numpy(site_codes(table.keys, table.sites, rows))
        return Labels(
            target=torch.from_numpy(table.target[rows].astype(np.float32)),
            patient=torch.from_numpy(table.keys.patient[rows]),
            counts=counts,
            size_factor=size_factor,
            site=site,
            concept=None if table.concept is None else torch.from_numpy(table.concept[rows]),
        )

    def spots(self, rows: Int[np.ndarray, " B"]) -> None:
        """None: a bag has one prediction, not one for each tile."""
