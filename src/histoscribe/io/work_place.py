"""Places for jobs: this process, several processes, or a cluster with shared folders."""

import os
from collections.abc import Iterable
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.weights import cache_folder
from histoscribe.parallel import Division, InProcess, LocalProcesses, Place, Scheduler, Shard


def division(
    n_jobs: int,
    scheduler: str | None,
    shard: str | None,
    *,
    written: Iterable[Path] = (),
    read: Iterable[Path] = (),
) -> Division:
    """Division of the jobs of a call, from its options; see `work_place` and `Shard.parse`."""
    part = None if shard is None else Shard.parse(shard)
    return Division(work_place(n_jobs, scheduler, written=written, read=read), part)


def work_place(
    n_jobs: int = 1,
    scheduler: str | None = None,
    *,
    written: Iterable[Path] = (),
    read: Iterable[Path] = (),
) -> Place:
    """Place for `n_jobs` jobs at a time on this machine, or for the workers of a scheduler.

    The folders of data and cache travel with the jobs. `written` and `read` are further folders
    that jobs use.

    Raises
    ------
    DataContractError
        if both are given: the number of jobs is then that of the workers.
    """
    if scheduler is None:
        return InProcess() if n_jobs == 1 else LocalProcesses(n_jobs)
    if n_jobs != 1:
        raise DataContractError(
            Problem(
                where=f"--jobs {n_jobs}, --scheduler {scheduler}",
                found="two places for the work",
                expected="processes of this machine, or the workers of a scheduler",
                remedy="leave --jobs out: as many jobs run as there are workers",
            )
        )
    cache = cache_folder().absolute()
    cache.mkdir(parents=True, exist_ok=True)  # workers cannot be asked for one that is not there
    folders = [path.absolute() for path in read]
    data = os.environ.get("HISTOSCRIBE_DATA", "")
    if data:
        folders.append(Path(data).absolute())
    # an empty one replaces that of a worker, which would read other files than this process
    environment = {
        "HISTOSCRIBE_CACHE": str(cache),
        "HISTOSCRIBE_DATA": str(Path(data).absolute()) if data else "",
    }
    return Scheduler(
        address=scheduler,
        written=tuple(dict.fromkeys((cache, *(path.absolute() for path in written)))),
        read=tuple(dict.fromkeys(folders)),
        environment=environment,
    )
