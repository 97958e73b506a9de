"""Batches of an epoch: every training item once, read one step in advance."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from histoscribe.data.items.items import Batch, Items
from histoscribe.device import CPU
from histoscribe.seed import stream
from histoscribe.train.group import ALONE, TrainingGroup
from histoscribe.train.turns import Turns
from histoscribe.transfer import pinned, pinned_batch
from histoscribe.types import Labels

TrainingBatch = tuple[Batch, Labels]


@dataclass(frozen=True, eq=False)
class StepBatches:
    """Batches of one step of the optimiser that one process works on."""

    numbers: tuple[int, ...]
    """Number of each batch in its epoch."""
    batches: tuple[TrainingBatch, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Batches:
    """Every training item once per epoch, in an order fixed by seed and epoch, step by step."""

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
    turns: Turns | None
    """How tiles and places are turned and mirrored at random, each item as a whole."""
    epoch: Callable[[], int]
    done: Callable[[], int] = lambda: 0
    """Steps of the epoch that are done already."""
    accumulate: int = 1
    """Number of batches per step and process."""
    group: TrainingGroup = ALONE
    """The batches of a step are dealt out to its processes."""
    device: torch.device = CPU
    """Where they will be used."""

    def n_steps(self, epochs: int) -> list[int]:
        """Number of steps of each epoch."""
        return [-(-n_batches // self._per_step) for n_batches in self.n_batches(epochs)]

    def n_batches(self, epochs: int) -> list[int]:
        """Number of batches of each epoch; it varies if items differ in size.

        There is no length: lightning would take that of the first epoch for all.
        """
        if self._fit_in_any_order():
            return epochs * [-(-len(self.rows) // self.batch_size)]
        draws = (stream(self.seed, f"epoch-{epoch}") for epoch in range(epochs))
        return [len(self._parts(of_epoch.permutation(self.rows))) for of_epoch in draws]

    def __iter__(self) -> Iterator[StepBatches]:
        draws = stream(self.seed, f"epoch-{self.epoch()}")
        order = draws.permutation(self.rows)
        drawn = None if self.turns is None else self.turns.draw(draws, len(order))
        parts = self._parts(order)

        def step(start: int) -> StepBatches:
            every = range(start, min(start + self._per_step, len(parts)))
            numbers = every[self.group.process :: self.group.n_processes]
            batches = (self._build(order, drawn, parts[number]) for number in numbers)
            return StepBatches(tuple(numbers), tuple(batches))

        with ThreadPoolExecutor(max_workers=1) as reader:
            first = self.done() * self._per_step
            ahead = reader.submit(step, first)
            for start in range(first + self._per_step, len(parts), self._per_step):
                built = ahead.result()
                ahead = reader.submit(step, start)
                yield built
            yield ahead.result()

    @property
    def _per_step(self) -> int:
        return self.accumulate * self.group.n_processes

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

    def _build(self, order: Int[np.ndarray, " N"], drawn: Any, part: slice) -> TrainingBatch:
        rows = order[part]
        batch = self.items.inputs(self.names, rows)
        if self.turns is not None:
            batch = self.turns.apply(batch, drawn[part])
        labels = self.items.labels(rows).map(lambda value: pinned(value, self.device))
        return pinned_batch(batch, self.device), labels
