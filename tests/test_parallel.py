import errno
import os
import signal
from dataclasses import dataclass

import pytest

from histoscribe import parallel
from histoscribe.errors import DataContractError, Problem

PROBLEM = Problem(where="a", found="b", expected="c", remedy="d")


@dataclass(frozen=True)
class Square:
    number: int

    @property
    def label(self) -> str:
        return f"square of {self.number}"

    def run(self) -> int:
        if self.number == 3:
            raise DataContractError(PROBLEM)
        return self.number**2


class Killed(Square):
    def run(self) -> int:
        os.kill(os.getpid(), signal.SIGKILL)
        return 0


HERE, TWO = parallel.InProcess(), parallel.LocalProcesses(2)


@pytest.mark.parametrize("where", [HERE, TWO])
def test_outcomes_keep_the_order_and_one_bad_job_stops_no_other(where):
    jobs = [Square(n) for n in (4, 3, 2)]
    assert list(parallel.run(jobs, where, "squares")) == [16, (PROBLEM,), 4]


def test_a_killed_process_is_a_problem_of_its_job_and_takes_no_other_with_it():
    (problem,), square = parallel.run([Killed(1), Square(6)], TWO, "squares")
    assert square == 36
    assert problem.where == "square of 1"
    assert "memory" in problem.remedy


ERRORS = (
    MemoryError(),
    RecursionError("deep"),
    UnicodeEncodeError("utf-8", "x", 0, 1, "no"),
    KeyError("tag"),
    PermissionError(errno.EACCES, "Permission denied", "a.tif"),
)


class Unforeseen(Square):
    def run(self) -> int:
        raise ERRORS[self.number]


@pytest.mark.parametrize("kind", range(len(ERRORS)))
def test_an_error_that_nobody_foresaw_stops_no_other_job(kind):
    (problem,), square = parallel.run([Unforeseen(kind), Square(5)], HERE, "jobs")
    assert square == 25
    assert problem.where == f"square of {kind}"
    assert type(ERRORS[kind]).__name__ in problem.found


class DiskFull(Square):
    def run(self) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_stops_all_jobs():
    with pytest.raises(OSError, match="No space left"):
        list(parallel.run([DiskFull(1), Square(2)], HERE, "jobs"))


def test_shards_have_every_job_once():
    parts = [parallel.Shard(number, 3).part(range(8)) for number in (1, 2, 3)]
    assert sorted(job for part in parts for job in part) == list(range(8))


@pytest.mark.parametrize("text", ["0/2", "3/2", "2", "a/b", "-1/2", "1/2/3"])
def test_a_text_that_is_no_shard_is_refused(text):
    with pytest.raises(DataContractError, match=r"NUMBER/TOTAL[\s\S]*SLURM_ARRAY_TASK_ID"):
        parallel.Shard.parse(text)
