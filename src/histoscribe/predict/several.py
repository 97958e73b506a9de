"""Several slides, one after the other or in processes of their own: the same files."""

import os
import signal
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import connection, get_context, parent_process
from threading import Thread

import torch

from histoscribe.errors import DataContractError, Problem
from histoscribe.predict.slide_job import Done, Job, write_slide
from histoscribe.progress import track

Outcome = Done | tuple[Problem, ...]


def write_slides(jobs: Sequence[Job], n_processes: int) -> Iterator[tuple[Job, Outcome]]:
    """Predict slides; one that does not do gives its problems and stops no other.

    Each slide is the work of one process; `n_processes` share the threads of this one.
    """
    if min(n_processes, len(jobs)) <= 1:
        yield from ((job, _outcome(job)) for job in jobs)
        return
    n_processes = min(n_processes, len(jobs))
    n_threads = max(1, torch.get_num_threads() // n_processes)
    pool = ProcessPoolExecutor(
        n_processes, get_context("spawn"), initializer=_begin, initargs=(n_threads,)
    )
    try:
        running = [(job, pool.submit(_outcome, job)) for job in jobs]
        for job, future in track(running, "slides"):
            yield job, _result(job, future)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _outcome(job: Job) -> Outcome:
    try:
        return write_slide(job)
    except DataContractError as error:
        return error.problems


def _result(job: Job, future: Future[Outcome]) -> Outcome:
    try:
        return future.result()
    except BrokenProcessPool:
        return (
            Problem(
                where=str(job.request.path),
                found="a process was killed, perhaps because memory ran out",
                expected="every process to end by itself",
                remedy="start again with fewer --jobs: what was finished is kept",
            ),
        )


def _begin(n_threads: int) -> None:
    """Set up a process that works on slides."""
    torch.set_num_threads(n_threads)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # writes are whole: it may end at once
    Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """End when the process that started this one is gone: its folder is free for another."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)
