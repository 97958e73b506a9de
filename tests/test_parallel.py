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


@pytest.mark.parametrize("n_processes", [1, 2])
def test_outcomes_keep_the_order_and_one_bad_job_stops_no_other(n_processes):
    jobs = [Square(n) for n in (4, 3, 2)]
    assert list(parallel.run(jobs, n_processes, "squares")) == [16, (PROBLEM,), 4]


def test_a_killed_process_is_a_problem_that_names_its_job():
    for outcome in parallel.run([Killed(1), Killed(2)], 2, "squares"):
        (problem,) = outcome
        assert problem.where.startswith("square of")
        assert "--jobs" in problem.remedy
