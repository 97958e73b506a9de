"""Workers of a cluster: demands on their machine, and jobs done there."""

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from socket import gethostname
from threading import Event
from typing import Any, TypeVar

import torch

from histoscribe.errors import Problem
from histoscribe.parallel.jobs import Job, Outcome, outcome_of
from histoscribe.threads import kernels

T = TypeVar("T")

PACKAGES = ("histoscribe", "torch", "numpy", "scipy", "distributed")
"""Packages that decide the numbers, or how jobs travel."""


def versions() -> dict[str, str]:
    """Versions of Python and of `PACKAGES` in this process."""
    return {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}


@dataclass(frozen=True)
class WorkerFacts:
    """One worker, for the record of a run."""

    host: str
    device: str
    """`cuda` if torch finds a GPU there, else `cpu`."""
    kernels: Mapping[str, str]
    """Kind of processor, see `threads.kernels`."""

    @property
    def kind(self) -> str:
        """What its numbers depend on, in words: workers of one kind compute the same bits."""
        return ", ".join([self.device, *self.kernels.values()])


@dataclass(frozen=True)
class Demand:
    """What a call asks of every worker."""

    versions: Mapping[str, str]
    probes: Mapping[Path, str]
    """Files in shared folders, with their content."""
    folders: tuple[Path, ...] = ()
    """Shared folders that are only read."""
    environment: Mapping[str, str] = field(default_factory=dict)

    def problems(self, name: str, n_threads: int) -> tuple[Problem, ...]:
        """Problems of this process as a worker of that name, with so many Dask threads."""
        where = f"worker {name} on {gethostname()}"
        return (*self._of_versions(where), *_of_threads(where, n_threads), *self._of_folders(where))

    def _of_versions(self, where: str) -> Iterator[Problem]:
        here = versions()
        other = [package for package, number in self.versions.items() if here[package] != number]
        if other:
            yield Problem(
                where=where,
                found=", ".join(f"{package} {here[package]}" for package in other),
                expected=", ".join(f"{package} {self.versions[package]}" for package in other)
                + ", as in this process: other versions give other numbers",
                remedy="install the same versions on all machines, and start the workers again",
            )

    def _of_folders(self, where: str) -> Iterator[Problem]:
        hidden = [path.parent for path, text in self.probes.items() if _content(path) != text]
        hidden += [folder for folder in self.folders if not folder.is_dir()]
        if hidden:
            yield Problem(
                where=where,
                found=f"it does not see {', '.join(map(str, hidden))}",
                expected="folders that all workers share, under the same path on every machine",
                remedy="use folders of a shared file system for --out, HISTOSCRIBE_CACHE, "
                "HISTOSCRIBE_DATA and the cohort, or mount them on the host of that worker",
            )


def facts() -> WorkerFacts:
    """Facts of this process as a worker."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    return WorkerFacts(host=gethostname(), device=device, kernels=kernels())


def report(demand: Demand, dask_worker: Any) -> tuple[WorkerFacts, tuple[Problem, ...]]:
    """Facts and problems of the worker that runs this; Dask gives it."""
    return facts(), _problems(demand, dask_worker)


def work(job: Job[T], demand: Demand) -> Outcome[T]:
    """Do a job on a worker: one that came late was not checked before."""
    from distributed import get_worker  # a worker has it

    worker = get_worker()
    if problems := _problems(demand, worker):
        return problems
    _stop_profiler(worker)
    os.environ.update(demand.environment)
    return outcome_of(job)


def _stop_profiler(worker: Any) -> None:
    """Stop the profiler of a worker, which looks at the running functions every 10 ms.

    It holds their local variables a moment longer. HDF5 lays out a file by the order in which its
    parts are closed, so equal results would become files with other bytes.
    """
    profiler = worker.periodic_callbacks.get("profile")
    if profiler is None or not profiler.is_running():
        return
    is_stopped = Event()

    def stop() -> None:
        profiler.stop()
        is_stopped.set()

    worker.loop.add_callback(stop)  # it belongs to the thread of the loop
    is_stopped.wait()


def _problems(demand: Demand, worker: Any) -> tuple[Problem, ...]:
    return demand.problems(str(worker.address), int(worker.state.nthreads))


def _of_threads(where: str, n_threads: int) -> Iterator[Problem]:
    if n_threads > 1:
        yield Problem(
            where=where,
            found=f"{n_threads} jobs at a time in one process",
            expected="one: two fits in one process would share their random numbers",
            remedy="start it with --nthreads 1, and several of them with --nworkers N; "
            "OMP_NUM_THREADS is the number of threads that compute the features of a job",
        )


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
