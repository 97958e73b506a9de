"""Items with many spots: runs of rows of a table, which a model reads as context."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from histoscribe.data.feature_source import FeatureSource
from histoscribe.data.items.items import Batch, Items
from histoscribe.data.items.spots import SpotQueries
from histoscribe.data.sites import site_codes
from histoscribe.types import BagImages, Labels, SpotKeys, SpotTable

Runs = tuple[Int[np.ndarray, " _"], ...]
"""Rows of a table, item by item."""


@dataclass(frozen=True, eq=False)
class RunItems(Items):
    """Each item is a run of rows of a table; shorter runs of a batch are padded with zeros."""

    table: SpotTable | SpotQueries
    runs: Runs

    may_be_divided: ClassVar[bool]
    """Whether an item can be divided between the sides of a fold."""
    built = frozenset(
        {"context_feature", "context_um", "context_slide", "context_image", "present"}
    )

    @classmethod
    @abstractmethod
    def divide(cls, keys: SpotKeys, rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
        """Divide these rows of a table into items.

        `n_once` is the number of spots of the table without their jittered views.
        """

    @property
    def keys(self) -> SpotKeys:
        """Keys of the table."""
        return self.table.keys

    def __len__(self) -> int:
        return len(self.runs)

    def n_spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Length of each run."""
        return np.array([len(self.runs[row]) for row in rows], dtype=np.int64)

    def at_once(self, names: Sequence[str]) -> int:
        """One: without padding, so that no other item can change its last bits."""
        del names
        return 1

    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build only these fields for these items."""
        return {name: _BUILD[name](self, rows) for name in names}

    @abstractmethod
    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Labels of these items for the loss."""

    def padded(
        self, values: Float[np.ndarray, "N width"], rows: Int[np.ndarray, " B"]
    ) -> Float[Tensor, "B K width"]:
        """Values of the spots of these items in float32; shorter items are padded with zeros."""
        return padded_runs(values, [self.runs[row] for row in rows])

    def present(self, rows: Int[np.ndarray, " B"]) -> Bool[Tensor, "B K"]:
        """True for a spot, false for padding."""
        return present_in([self.runs[row] for row in rows])

    def patient(self, rows: Int[np.ndarray, " B"]) -> Int[Tensor, " B"]:
        """Patient code of each item; all its spots have the same patient."""
        codes = self.keys.patient
        return torch.tensor([int(codes[self.runs[row][0]]) for row in rows])

    def site(self, rows: Int[np.ndarray, " B"]) -> Int[Tensor, " B"] | None:
        """Number of the site of each item's patient, -1 for an unknown one; None without sites."""
        sites = None if isinstance(self.table, SpotQueries) else self.table.sites
        if sites is None:
            return None
        first = np.array([self.runs[row][0] for row in rows])
        return torch.from_numpy(site_codes(self.keys, sites, first))

    def _feature(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B K D"]:
        return self.padded(self.table.feature, rows)

    def _um(self, rows: Int[np.ndarray, " B"]) -> Float[Tensor, "B K 2"]:
        if self.table.xy_um is None:
            raise ValueError("these spots have no positions")
        return self.padded(self.table.xy_um, rows)

    def _slide(self, rows: Int[np.ndarray, " B"]) -> Int[Tensor, "B K"]:
        return slides_in([self.keys.section[self.runs[row]] for row in rows])

    def _image(self, rows: Int[np.ndarray, " B"]) -> BagImages:
        if self.table.image is None:
            raise ValueError("these spots have no tiles")
        return BagImages(self.table.image, tuple(self.runs[row] for row in rows))


def padded_runs(
    values: FeatureSource, runs: Sequence[Int[np.ndarray, " _"]]
) -> Float[Tensor, "B K width"]:
    """Values of these rows in float32, read run by run; shorter runs are padded with zeros."""
    longest = max(map(len, runs))
    filled = np.zeros((len(runs), longest, values.shape[1]), dtype=np.float32)
    for place, run in enumerate(runs):
        filled[place, : len(run)] = values[run]
    return torch.from_numpy(filled)


def slides_in(sections: Sequence[Int[np.ndarray, " _"]]) -> Int[Tensor, "B K"]:
    """Numbers from 0 for the sections of each run; 0 in padding."""
    slide = torch.zeros((len(sections), max(map(len, sections))), dtype=torch.int64)
    for place, of_run in enumerate(sections):
        _, number = np.unique(of_run, return_inverse=True)
        slide[place, : len(number)] = torch.from_numpy(number)
    return slide


def present_in(runs: Sequence[Int[np.ndarray, " _"]]) -> Bool[Tensor, "B K"]:
    """True for a row of a run, false for padding."""
    sizes = torch.tensor([len(run) for run in runs])
    return torch.arange(int(sizes.max()))[None] < sizes[:, None]


def runs_of(code: Int[np.ndarray, " N"], rows: Int[np.ndarray, " n"], n_once: int) -> Runs:
    """Rows grouped by code, ascending; jittered views of spots, `n_once` rows later, separately."""
    group = (rows // max(n_once, 1)) * (int(code.max(initial=0)) + 1) + code[rows]
    order = np.lexsort((rows, group))
    starts = np.flatnonzero(np.diff(group[order])) + 1
    return tuple(np.split(rows[order], starts)) if len(rows) else ()


_BUILD = {
    "context_feature": RunItems._feature,
    "context_um": RunItems._um,
    "context_slide": RunItems._slide,
    "context_image": RunItems._image,
    "present": RunItems.present,
}
