"""A Dask cluster of this machine whose processes can be killed: forks, which start at once."""

import asyncio
import os
import signal
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.cli.killing import FORKS


@dataclass
class TestCluster:
    """A scheduler and its workers."""

    __test__ = False
    address: str
    scheduler: Any
    workers: list[Any] = field(default_factory=list)

    def add_worker(self, **facts) -> None:
        """Start a worker; `facts` are what it says of itself wrongly, and its threads."""
        self.workers.append(_start(_worker, self.address, facts))

    def kill_worker(self, number: int) -> None:
        """Kill a worker and start another one."""
        _kill(self.workers.pop(number))
        self.add_worker()

    def kill_scheduler(self) -> None:
        _kill(self.scheduler)

    def stop(self) -> None:
        for process in (self.scheduler, *self.workers):
            _kill(process)


@contextmanager
def cluster(n_workers=2, **facts):
    """A cluster with these workers until the block ends."""
    here, there = FORKS.Pipe()
    scheduler = _start(_scheduler, there)
    assert here.poll(60), "the scheduler did not start"
    found = TestCluster(here.recv(), scheduler)
    try:
        for _ in range(n_workers):
            found.add_worker(**facts)
        yield found
    finally:
        found.stop()


def _start(work, *arguments):
    process = FORKS.Process(target=work, args=arguments, daemon=False)
    process.start()
    return process


def _kill(process) -> None:
    with suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.join()


def _scheduler(told: Any) -> None:
    from distributed import Scheduler

    async def serve() -> None:
        async with Scheduler(host="127.0.0.1", port=0, dashboard=False) as scheduler:
            told.send(scheduler.address)
            await scheduler.finished()

    _quiet()
    asyncio.run(serve())


def _worker(address: str, facts: dict[str, Any]) -> None:
    from distributed import Worker

    from tests.cli.killing import small_chunks

    async def serve() -> None:
        n_threads = facts.get("n_threads", 1)
        async with Worker(address, nthreads=n_threads, memory_limit=0) as worker:
            await worker.finished()

    _quiet()
    small_chunks()
    if "version" in facts:
        from histoscribe.parallel import worker

        known = worker.versions()
        worker.versions = lambda: known | {"torch": facts["version"]}
    if "hidden" in facts:
        from histoscribe.parallel import worker

        worker._content = lambda path: None
    asyncio.run(serve())


def _quiet() -> None:
    import warnings

    warnings.simplefilter("ignore")
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
