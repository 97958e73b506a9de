"""The protocol of items: what one row of a batch is."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Int
from torch import Tensor

from histoscribe.types import Labels, SpotKeys

Batch = dict[str, Tensor]
"""Field of `Inputs` -> its values for the items of a batch."""


class Items(ABC):
    """The items that are made of the spots of a table.

    Batches, training, validation and prediction ask them for what stands here and nothing else.
    Items are numbered from 0. An item may be one spot, or hold many.
    """

    built: ClassVar[frozenset[str]]
    """The fields of `Inputs` that can be built for such an item."""

    @property
    @abstractmethod
    def keys(self) -> SpotKeys:
        """Whose spots the table holds, row by row."""

    @abstractmethod
    def __len__(self) -> int:
        """How many items there are."""

    @abstractmethod
    def at_once(self, names: Sequence[str]) -> int:
        """How many items are predicted in one pass by a network that sees these fields."""

    @abstractmethod
    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build these fields of `Inputs` for these items, and no others."""

    @abstractmethod
    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """What a loss may see of these items.

        Raises ValueError where the spots are to be predicted: nothing is known of them.
        """

    @abstractmethod
    def spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " M"] | None:
        """Rows of the table that these items give predictions of, item by item.

        None for items that give one prediction each and none of their spots.
        """
