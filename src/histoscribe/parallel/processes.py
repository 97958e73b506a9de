"""Run jobs in several processes of this machine."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread
from typing import TypeVar

import torch

from histoscribe.parallel.jobs import Job, Outcome, killed, outcome_of
from histoscribe.progress import track

T = TypeVar("T")


def run_in_processes(jobs: Sequence[Job[T]], n_processes: int, what: str) -> Iterator[Outcome[T]]:
    """Outcomes in the order of the jobs; `n_processes` processes share the threads of this one."""
    n_threads = max(1, torch.get_num_threads() // n_processes)
    pool = ProcessPoolExecutor(
        n_processes, get_context("spawn"), initializer=_begin, initargs=(n_threads,)
    )
    try:
        running = [(job, pool.submit(outcome_of, job)) for job in jobs]
        for job, future in track(running, what):
            yield _result(job, future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _result(job: Job[T], future: Future[Outcome[T]]) -> Outcome[T]:
    try:
        return future.result()
    except BrokenProcessPool:  # one job ended the pool of all: which one, shows a process each
        return _alone(job)


def _alone(job: Job[T]) -> Outcome[T]:
    """Outcome of a job in a process of its own."""
    with ProcessPoolExecutor(
        1, get_context("spawn"), initializer=_begin, initargs=(torch.get_num_threads(),)
    ) as pool:
        try:
            return pool.submit(outcome_of, job).result()
        except BrokenProcessPool:
            return killed(job)


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
