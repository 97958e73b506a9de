"""The name of a process, by which other processes and machines tell whether it has ended."""

import os
import socket
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

_PROC = Path("/proc")
_ENDED = "ended"
_BIRTH = 19
"""Place of the start time in /proc/PID/stat, counted after the process's name."""


@dataclass(frozen=True, kw_only=True)
class ProcessName:
    """One process of one machine."""

    host: str
    machine: str
    """Changes when the host restarts, and is another one in each container."""
    number: int
    birth: str
    """Start time in ticks of the machine, because numbers are used again; "" if unknown."""

    @property
    def mark(self) -> str:
        """Short text for names of files that this process has not finished."""
        machine = sha256(self.machine.encode()).hexdigest()[:8]
        return f"{machine}.{self.number}.{self.birth}"

    @property
    def is_gone(self) -> bool | None:
        """Whether the process has ended; None on another machine, or hidden from this user."""
        if self.machine != this_process().machine:
            return None
        birth = _birth(self.number)
        if self.birth and not birth and _exists(self.number):
            return None
        return birth != self.birth or not _exists(self.number)


def this_process() -> ProcessName:
    """Name of the process that asks."""
    return _name_of(os.getpid())  # by number: a forked process is another one


def is_of_dead(mark: str) -> bool:
    """Whether the process of a mark ran on this machine and has ended."""
    machine, *numbers = mark.split(".")
    this = this_process()
    if len(numbers) != 2 or not numbers[0].isdigit() or machine != this.mark.split(".")[0]:
        return False
    process = replace(this, number=int(numbers[0]), birth=numbers[1])
    return process.is_gone is True


@lru_cache(maxsize=1)
def _name_of(number: int) -> ProcessName:
    return ProcessName(
        host=socket.gethostname(), machine=_machine(), number=number, birth=_birth(number)
    )


def _machine() -> str:
    """Host, its boot and its space of process numbers; only the host outside Linux."""
    parts = [socket.gethostname()]
    if _PROC.is_dir():
        parts.append((_PROC / "sys/kernel/random/boot_id").read_text().strip())
        parts.append(str((_PROC / "self/ns/pid").stat().st_ino))
    return " ".join(parts)


def _birth(number: int) -> str:
    """Start time of a process; "" where it cannot be read, and outside Linux."""
    try:
        stat = (_PROC / str(number) / "stat").read_text()
    except OSError:
        return ""
    state, *facts = stat.rpartition(")")[2].split()
    # a killed process that its parent has not yet asked for works no more
    return _ENDED if state in "ZX" else facts[_BIRTH - 1]


def _exists(number: int) -> bool:
    try:
        os.kill(number, 0)  # signal 0 asks only
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
