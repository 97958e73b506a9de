"""Protocol of items: what one row of a batch is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Int

from histoscribe.types import Labels, SpotKeys

Batch = dict[str, Any]
"""Field of `Inputs` -> its values for the items of a batch: a tensor, or `BagImages`."""


class Items(ABC):
    """Items made from the spots of a table.

    Batches, training, validation and prediction use only this protocol. Items are numbered from 0.
    An item is one spot, or contains many.
    """

    built: ClassVar[frozenset[str]]
    """Fields of `Inputs` that can be built for this kind of item."""

    @property
    @abstractmethod
    def keys(self) -> SpotKeys:
        """Section, patient and id of the spots of the table, row by row."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of items."""

    @abstractmethod
    def n_spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Number of spots, item by item."""

    @abstractmethod
    def at_once(self, names: Sequence[str]) -> int:
        """Number of items per pass in prediction, for a network that reads these fields."""

    @abstractmethod
    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build only these fields of `Inputs` for these items."""

    @abstractmethod
    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Labels of these items for the loss.

        Raises ValueError for spots to predict, which have no labels.
        """

    @abstractmethod
    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"] | None:
        """Rows of the table with predictions from these items, item by item.

        None for items with one prediction each instead of one per spot.
        """
