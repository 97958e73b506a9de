"""Run jobs at a place; the results are the same everywhere."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from histoscribe.errors import DataContractError, Problem
from histoscribe.parallel.cluster import connected, run_on_workers
from histoscribe.parallel.jobs import Job, Outcome, is_failed, outcome_of
from histoscribe.parallel.place import InProcess, LocalProcesses, Place, Scheduler
from histoscribe.parallel.processes import run_in_processes
from histoscribe.parallel.worker import WorkerFacts
from histoscribe.progress import track

T = TypeVar("T")
J = TypeVar("J", bound=Job[Any])


def run(jobs: Sequence[Job[T]], where: Place, what: str) -> Iterator[Outcome[T]]:
    """Run jobs and yield their outcomes in the order of the jobs.

    An outcome is the result of `job.run()`, or a tuple of `Problem`s where it raised an error or
    its process was killed; the other jobs go on. Only a full disk stops all of them. `what` names
    the jobs on the progress bar, e.g. "slides".

    Raises
    ------
    DataContractError
        as `check`; and if the scheduler is lost during the work.
    """
    if isinstance(where, Scheduler):
        yield from run_on_workers(jobs, where, what)
    elif isinstance(where, LocalProcesses) and min(where.n_processes, len(jobs)) > 1:
        yield from run_in_processes(jobs, min(where.n_processes, len(jobs)), what)
    else:
        yield from (outcome_of(job) for job in track(jobs, what))


def run_all(jobs: Sequence[J], where: Place, what: str) -> Iterator[tuple[J, Any]]:
    """Run jobs that all have to succeed; yields each with its result.

    In this process the first error rises as it is. Elsewhere the other jobs go on.

    Raises
    ------
    DataContractError
        with the problems of all failed jobs, when the others are done.
    """
    if isinstance(where, InProcess):
        for job in track(jobs, what):
            yield job, job.run()
        return
    problems: list[Problem] = []
    for job, found in zip(jobs, run(jobs, where, what), strict=True):
        if is_failed(found):
            problems += found
        else:
            yield job, found
    if problems:
        raise DataContractError(problems)


def check(where: Place) -> tuple[WorkerFacts, ...]:
    """Check a place before the work, and describe the workers of a cluster; none elsewhere.

    Raises
    ------
    DataContractError
        for a scheduler that does not answer, and listing every worker that has other versions,
        several threads, or does not see a folder.
    """
    if not isinstance(where, Scheduler):
        return ()
    with connected(where) as cluster:
        return cluster.workers
