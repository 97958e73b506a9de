"""Division of jobs between calls, processes and machines."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

from histoscribe.parallel.place import InProcess, LocalProcesses, Place, Scheduler
from histoscribe.parallel.shard import Shard
from histoscribe.parallel.worker import WorkerFacts

T = TypeVar("T")


@dataclass(frozen=True)
class Division:
    """Division of jobs: the place of all, and the part of one call."""

    where: Place
    shard: Shard | None = None

    def to_json(self, workers: Sequence[WorkerFacts]) -> dict[str, Any]:
        """Facts for the record of a run, as plain values; none for work in one process."""
        shard = {} if self.shard is None else {"shard": str(self.shard)}
        if isinstance(self.where, LocalProcesses):
            return {**shard, "processes": self.where.n_processes}
        if isinstance(self.where, Scheduler):
            of_workers = [asdict(worker) for worker in workers]
            return {**shard, "scheduler": self.where.address, "workers": of_workers}
        return shard

    def part(self, jobs: Sequence[T]) -> Sequence[T]:
        """Jobs of this call."""
        return jobs if self.shard is None else self.shard.part(jobs)


ALONE = Division(InProcess())
"""All jobs in this process."""
