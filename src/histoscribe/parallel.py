"""Run jobs one after the other or in several processes; the results are the same."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import Protocol, TypeVar, runtime_checkable

import torch

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.progress import track

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@runtime_checkable
class Job(Protocol[T_co]):
    """A picklable piece of work, which names its inputs by path."""

    @property
    def label(self) -> str:
        """Name of the job in messages, e.g. the path of its slide."""

    def run(self) -> T_co:
        """Do the work; an error becomes the outcome of this job."""


def run(jobs: Sequence[Job[T]], n_processes: int, what: str) -> Iterator[T | tuple[Problem, ...]]:
    """Run jobs and yield their outcomes in the order of the jobs.

    An outcome is the result of `job.run()`, or a tuple of `Problem`s where it raised an error or
    its process was killed; the other jobs go on. Only a full disk stops all of them.
    `n_processes` processes share the threads of this one. `what` names the jobs on the progress
    bar, e.g. "slides".
    """
    n_processes = min(n_processes, len(jobs))
    if n_processes <= 1:
        yield from (_outcome(job) for job in track(jobs, what))
        return
    n_threads = max(1, torch.get_num_threads() // n_processes)
    pool = ProcessPoolExecutor(
        n_processes, get_context("spawn"), initializer=_begin, initargs=(n_threads,)
    )
    try:
        running = [(job, pool.submit(_outcome, job)) for job in jobs]
        for job, future in track(running, what):
            yield _result(job, future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcome(job: Job[T]) -> T | tuple[Problem, ...]:
    try:
        with errors_told(job.label):
            return job.run()
    except DataContractError as error:
        return error.problems


def _result(job: Job[T], future: Future[T | tuple[Problem, ...]]) -> T | tuple[Problem, ...]:
    try:
        return future.result()
    except BrokenProcessPool:  # one job ended the pool of all: which one, shows a process each
        return _alone(job)


def _alone(job: Job[T]) -> T | tuple[Problem, ...]:
    """Outcome of a job in a process of its own."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_begin, initargs=(torch.get_num_threads(),)
    ) as pool:
        try:
            return pool.submit(_outcome, job).result()
        except BrokenProcessPool:
            return (
                Problem(
                    where=job.label,
                    found="its process was killed, perhaps because memory ran out",
                    expected="every process to end by itself",
                    remedy="close other programs or use a machine with more memory, and start "
                    "again: finished work is kept",
                ),
            )


def _begin(n_threads: int) -> None:
    """Set up a worker process."""
    torch.set_num_threads(n_threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # writes are whole: it may end at once
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End this worker when its parent process ends, so that the output folder is free again."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
