"""A part of the jobs of a run, for the array jobs of a batch system."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from histoscribe.errors import DataContractError, Problem

T = TypeVar("T")


@dataclass(frozen=True)
class Shard:
    """Every `n_shards`-th job, from job `number` on (counted from 1)."""

    number: int
    n_shards: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Read `2/8`.

        Raises
        ------
        DataContractError
            for any other text.

        Examples
        --------
        >>> Shard.parse("2/8").part("abcdefghijklmnop")
        ('b', 'j')
        """
        match = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if match is None or not 1 <= int(match[1]) <= int(match[2]):
            raise DataContractError(
                Problem(
                    where=f"--shard {text}",
                    found="no part of a whole",
                    expected="NUMBER/TOTAL with a number from 1 to the total, e.g. 2/8",
                    remedy="count the tasks of the array job from 1: --shard "
                    "$SLURM_ARRAY_TASK_ID/$SLURM_ARRAY_TASK_COUNT",
                )
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}/{self.n_shards}"

    def part(self, jobs: Sequence[T]) -> tuple[T, ...]:
        """Jobs of this shard; all shards together have every job once."""
        return tuple(jobs[self.number - 1 :: self.n_shards])


def in_turn(jobs: Sequence[T], shard: Shard | None) -> tuple[T, ...]:
    """All jobs, those of the shard first: the others may be done by then."""
    if shard is None:
        return tuple(jobs)
    first = shard.number - 1
    rest = [job for number, job in enumerate(jobs) if number % shard.n_shards != first]
    return (*shard.part(jobs), *rest)
