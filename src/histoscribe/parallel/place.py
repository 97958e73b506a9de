"""Where jobs run. The choice changes no result, so it belongs to a call and never to a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class InProcess:
    """The process of the call: one job after the other."""


@dataclass(frozen=True)
class LocalProcesses:
    """Several processes of this machine, which share the threads of this one."""

    n_processes: int


@dataclass(frozen=True)
class Scheduler:
    """Workers of a Dask cluster, of which each does one job at a time."""

    address: str
    """Of its scheduler, e.g. `tcp://10.0.0.1:8786`."""
    written: tuple[Path, ...] = ()
    """Folders that jobs write to: cache and results. Every worker must see them."""
    read: tuple[Path, ...] = ()
    """Folders with data, which every worker must see, too."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables that jobs find on every worker: the places of data and cache."""


Place = InProcess | LocalProcesses | Scheduler
