"""Run jobs on the workers of a Dask cluster, which somebody else has started.

Dask places the jobs, and starts those of a lost worker again on another one. Jobs name their data
by path, so only names and short outcomes travel.
"""

import asyncio
import logging
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeVar
from uuid import uuid4

from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.parallel.jobs import Job, Outcome, killed
from histoscribe.parallel.place import Scheduler
from histoscribe.parallel.worker import Demand, WorkerFacts, report, versions, work
from histoscribe.progress import tell, track

T = TypeVar("T")

EXTRA = "cluster"
"""Group of pyproject.toml with Dask."""
_ANSWER_S = 10
"""Time in which a scheduler must answer."""
_PROBE = ".histoscribe-probe-"  # what a killed process leaves goes with other half-written files


@dataclass(frozen=True, eq=False)
class Cluster:
    """An open connection to workers that were checked."""

    client: Any
    demand: Demand
    workers: tuple[WorkerFacts, ...]
    """Workers that were there at the start."""


def run_on_workers(jobs: Sequence[Job[T]], where: Scheduler, what: str) -> Iterator[Outcome[T]]:
    """Outcomes in the order of the jobs; see `dispatch.run`."""
    if not jobs:
        return
    with connected(where) as cluster:
        call = uuid4().hex  # no key twice: Dask keeps the outcome of a key
        running = [
            (job, cluster.client.submit(work, job, cluster.demand, key=f"{what}-{call}-{number}"))
            for number, job in enumerate(jobs)
        ]
        for job, future in track(running, what):
            outcome = _result(job, future, where)
            future.release()  # else Dask does the job again if the worker with its outcome dies
            yield outcome


@contextmanager
def connected(where: Scheduler) -> Iterator[Cluster]:
    """Connect to a cluster and check its workers; see `dispatch.check`."""
    distributed = need("distributed", EXTRA, f"--scheduler {where.address}")
    with ExitStack() as stack:
        stack.enter_context(_quiet(logging.getLogger("distributed.client")))
        client = stack.enter_context(_client(distributed, where.address))
        probes = [stack.enter_context(_probe(path)) for path in where.written if path.is_dir()]
        demand = Demand(versions(), dict(probes), where.read, where.environment)
        yield Cluster(client, demand, _checked(client, demand, where.address))


@contextmanager
def _quiet(log: logging.Logger) -> Iterator[None]:
    """Keep a log from printing tracebacks of lost connections, which we report in words."""
    before = log.level
    log.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        log.setLevel(before)


@contextmanager
def _client(distributed: Any, address: str) -> Iterator[Any]:
    try:
        client = _answering(distributed, address)
    except (OSError, ValueError) as error:
        raise DataContractError(_no_answer(address, error)) from None
    try:
        yield client
    finally:
        client.close(timeout=_ANSWER_S)


def _answering(distributed: Any, address: str) -> Any:
    """Client of a scheduler that answers.

    No client is made for one that does not: Dask closes such a client when it is collected as
    garbage, and that can be while the next client starts, which then waits forever.
    """
    with ThreadPoolExecutor(1) as thread:  # a notebook has a loop of its own in this one
        thread.submit(asyncio.run, _greeting(distributed, address)).result()
    with warnings.catch_warnings():
        # we compare more versions than Dask does, and say it in our words
        warnings.simplefilter("ignore", distributed.versions.VersionMismatchWarning)
        return distributed.Client(address, timeout=_ANSWER_S, set_as_default=False)


async def _greeting(distributed: Any, address: str) -> None:
    """Connect, and read the first words of a scheduler, for which Dask itself waits forever."""
    options = distributed.Security().get_connection_args("client")
    call = distributed.comm.connect(address, timeout=_ANSWER_S, **options)
    try:
        comm = await asyncio.wait_for(call, 2 * _ANSWER_S)
    except TimeoutError:
        raise TimeoutError("it took the call and said nothing") from None
    await comm.close()


def _checked(client: Any, demand: Demand, address: str) -> tuple[WorkerFacts, ...]:
    reports = client.run(report, demand, on_error="return")
    problems: list[Problem] = []
    workers: list[WorkerFacts] = []
    for name, found in sorted(reports.items()):
        if isinstance(found, Exception):
            problems.append(_not_run(name, found))
        else:
            workers.append(found[0])
            problems += found[1]
    if problems:
        raise DataContractError(problems)
    if not workers:
        tell(f"{address} has no workers yet: jobs wait until some come")
    if len(kinds := {worker.kind for worker in workers}) > 1:
        tell(
            f"the workers have different processors ({'; '.join(sorted(kinds))}): the last bits of "
            "a result depend on which of them computed it"
        )
    return tuple(workers)


def _result(job: Job[T], future: Any, where: Scheduler) -> Outcome[T]:
    from distributed import KilledWorker
    from distributed.comm import CommClosedError

    try:
        return future.result()
    except KilledWorker:
        return killed(job)
    except (CancelledError, CommClosedError):
        raise DataContractError(
            Problem(
                where=f"--scheduler {where.address}",
                found="the scheduler was lost during the work",
                expected="a scheduler that runs until all jobs are done",
                remedy="start it and its workers again, then the same command: finished work is "
                "kept",
            )
        ) from None


@contextmanager
def _probe(folder: Path) -> Iterator[tuple[Path, str]]:
    """A file that every worker must find, removed at the end."""
    text = uuid4().hex
    with NamedTemporaryFile("w", dir=folder, prefix=_PROBE, delete=False) as file:
        file.write(text)
    path = Path(file.name)
    try:
        yield path.absolute(), text
    finally:
        with suppress(OSError):
            path.unlink()


def _no_answer(address: str, error: Exception) -> Problem:
    return Problem(
        where=f"--scheduler {address}",
        found=f"no Dask scheduler answers within {_ANSWER_S} s: {' '.join(str(error).split())}",
        expected="the address of a running scheduler, e.g. tcp://10.0.0.1:8786",
        remedy="start one with `dask scheduler`, which prints its address; check the address, and "
        "that no firewall is between",
    )


def _not_run(worker: str, error: Exception) -> Problem:
    return Problem(
        where=f"worker {worker}",
        found=f"it cannot run histoscribe: {type(error).__name__}: {error}",
        expected=f"this version of histoscribe with its extra {EXTRA!r} on every worker",
        remedy="install it there, and start the worker again",
    )
