"""Processes that train one network together, and what they tell each other."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed

from histoscribe.device import Device

T = TypeVar("T")

_PATIENCE = timedelta(days=1)
"""Others wait while the first process scores the validation; a dead one ends all at once."""


@dataclass(frozen=True)
class TrainingGroup:
    """Processes of a training, as one of them sees it."""

    process: int = 0
    """Number of this process, from 0."""
    n_processes: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this process scores the validation and writes the checkpoint."""
        return self.process == 0

    def gather(self, value: T) -> list[T]:
        """Gather one value per process, ordered by process; tensors must lie on the CPU."""
        if self.n_processes == 1:
            return [value]
        found: list[T] = [value] * self.n_processes
        distributed.all_gather_object(found, value)
        return found

    def add_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Replace each gradient by its sum over all processes.

        A parameter that no process used stays without a gradient, so that the optimiser leaves it
        alone, as with one process.
        """
        if self.n_processes == 1:
            return
        weights = list(parameters)
        of_each = self.gather([weight.grad is not None for weight in weights])
        for weight, *used in zip(weights, *of_each, strict=True):
            if any(used):
                if weight.grad is None:
                    weight.grad = torch.zeros_like(weight)
                distributed.all_reduce(weight.grad)

    def copy_first(self, tensors: Iterable[Tensor]) -> None:
        """Overwrite these tensors by those of the first process."""
        if self.n_processes > 1:
            for tensor in tensors:
                distributed.broadcast(tensor, src=0)


ALONE = TrainingGroup()


@contextmanager
def joined(group: TrainingGroup, meeting: Path, device: Device) -> Iterator[None]:
    """Connect this process with the others while the block runs.

    `meeting` is a file that no process has made yet, the same for all; on GPUs each process takes
    the one of its number.
    """
    if device == "cuda":
        torch.cuda.set_device(group.process)
    distributed.init_process_group(
        "cpu:gloo,cuda:nccl" if device == "cuda" else "gloo",
        init_method=meeting.as_uri(),
        rank=group.process,
        world_size=group.n_processes,
        timeout=_PATIENCE,
    )
    try:
        yield
    finally:
        distributed.destroy_process_group()
