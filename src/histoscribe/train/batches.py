"""Batches of an epoch: every training item once, read one batch in advance."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.items import Batch, Items
from histoscribe.seed import stream
from histoscribe.train.turns import N_SYMMETRIES, turned_batch, turned_input
from histoscribe.types import Labels

TrainingBatch = tuple[Batch, Labels]


@dataclass(frozen=True, eq=False, kw_only=True)
class Batches:
    """Every training item once per epoch, in an order fixed by seed and epoch."""

    items: Items
    names: tuple[str, ...]
    """Fields of `Inputs` to build."""
    rows: Int[np.ndarray, " rows"]
    """Numbers of the training items."""
    batch_size: int
    """Number of items per batch."""
    batch_spots: int
    """Number of spots per batch, padding included; an item with more is a batch by itself."""
    seed: int
    turned: bool
    """Whether tiles and places are turned and mirrored at random, each item as a whole."""
    epoch: Callable[[], int]

    def n_batches(self, epochs: int) -> list[int]:
        """Number of batches of each epoch; it varies if items differ in size.

        There is no length: lightning would take that of the first epoch for all.
        """
        if self._fit_in_any_order():
            return epochs * [-(-len(self.rows) // self.batch_size)]
        draws = (stream(self.seed, f"epoch-{epoch}") for epoch in range(epochs))
        return [len(self._parts(of_epoch.permutation(self.rows))) for of_epoch in draws]

    def __iter__(self) -> Iterator[TrainingBatch]:
        draws = stream(self.seed, f"epoch-{self.epoch()}")
        order = draws.permutation(self.rows)
        draw = self.turned and turned_input(self.names) is not None
        symmetry = draws.integers(N_SYMMETRIES, size=len(order)) if draw else None
        parts = self._parts(order)
        with ThreadPoolExecutor(max_workers=1) as reader:
            ahead = reader.submit(self._build, order, symmetry, parts[0])
            for part in [*parts[1:], None]:
                batch = ahead.result()
                if part is not None:
                    ahead = reader.submit(self._build, order, symmetry, part)
                yield batch

    def _fit_in_any_order(self) -> bool:
        """Whether `batch_size` items never have too many spots."""
        longest = int(self.items.n_spots(self.rows).max(initial=0))
        return longest * min(self.batch_size, len(self.rows)) <= self.batch_spots

    def _parts(self, order: Int[np.ndarray, " N"]) -> list[slice]:
        """Divide the items into batches, in this order."""
        starts, longest = [0], 0
        for place, size in enumerate(self.items.n_spots(order)):
            n_items, longest = place + 1 - starts[-1], max(longest, int(size))
            if n_items > self.batch_size or (n_items > 1 and n_items * longest > self.batch_spots):
                starts.append(place)
                longest = int(size)
        return [slice(*ends) for ends in pairwise([*starts, len(order)])]

    def _build(
        self, order: Int[np.ndarray, " N"], symmetry: Int[np.ndarray, " N"] | None, part: slice
    ) -> TrainingBatch:
        rows = order[part]
        batch = self.items.inputs(self.names, rows)
        if symmetry is not None:
            batch = turned_batch(batch, symmetry[part])
        return batch, self.items.labels(rows)
