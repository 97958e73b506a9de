"""The budget of memory: sizes that a file states are checked before memory is taken.

A header of a few bytes can state any size. Two limits hold: what this process can still take, and,
above a size that every machine has, what a file of its length can credibly hold.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

from histoscribe.errors import DataContractError, Problem

if sys.platform != "win32":
    import resource

MOST_BYTES = 1 << 31
"""Largest size in memory that needs no reason: a picture of 26,000 x 26,000 px."""
MOST_TEXT_BYTES = 1 << 28
"""The same for text, whose words take many times their bytes."""
_CREDIBLE_RATIO = 100
"""Largest size in memory per byte of a file above these sizes; a gzip bomb has 1,000."""
_COPIES = 2
"""Copies of an array that exist for a moment, e.g. before and after a change of type."""
_SMALL = 1 << 26
"""Sizes below this are not compared with the free memory."""


def check_size(
    where: str | Path,
    what: str,
    n_bytes: int,
    *,
    stored: int,
    remedy: str,
    most: int = MOST_BYTES,
) -> None:
    """Refuse a size in memory that a file states and cannot credibly hold, or that is not free.

    Parameters
    ----------
    where, what
        The file, and its part in words, e.g. `a tile of 32768 x 32768 px`.
    n_bytes
        Size in memory according to the header.
    stored
        Size of the file on disk; a size in memory up to 100 times as large is credible.
    most
        Size that is credible for a file of any length.

    Raises
    ------
    DataContractError
        with both sizes.
    """
    if n_bytes > max(most, _CREDIBLE_RATIO * stored):
        found = f"{size_text(n_bytes)} of memory for {what}, in a file of {size_text(stored)}"
        raise DataContractError(Problem(str(where), found, "a size that the file can hold", remedy))
    if n_bytes > _SMALL and _COPIES * n_bytes > (free := free_bytes()):
        found = f"{size_text(_COPIES * n_bytes)} of memory to read {what}, and only "
        found += f"{size_text(free)} free"
        raise DataContractError(Problem(str(where), found, "enough free memory", remedy))


def free_bytes() -> int:
    """Bytes that this process can still take: by its own limit, its container, the machine."""
    return max(0, min(_limits(), default=sys.maxsize))


def size_text(n_bytes: int) -> str:
    """Size in words.

    >>> size_text(3_221_225_472), size_text(812)
    ('3.2 GB', '812 bytes')
    """
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n_bytes >= unit:
            return f"{n_bytes / unit:,.1f} {name}"
    return f"{n_bytes} bytes"


def _limits() -> Iterator[int]:
    """Each limit that this system states, in bytes still free."""
    if sys.platform != "win32":
        most = resource.getrlimit(resource.RLIMIT_AS)[0]
        if most != resource.RLIM_INFINITY:
            yield most - _taken_bytes()
    group = Path("/sys/fs/cgroup")
    if (limit := _number(group / "memory.max")) is not None:
        yield limit - (_number(group / "memory.current") or 0) + _cached_bytes(group)
    memory = Path("/proc/meminfo")
    for line in memory.read_text("utf-8").splitlines() if memory.is_file() else ():
        if line.startswith("MemAvailable:"):
            yield 1024 * int(line.split()[1])


def _taken_bytes() -> int:
    """Address space of this process; 0 where the system does not say."""
    status = Path("/proc/self/statm")
    if not status.is_file():
        return 0
    return int(status.read_text("utf-8").split()[0]) * os.sysconf("SC_PAGE_SIZE")


def _cached_bytes(group: Path) -> int:
    """Bytes of files that a container counts as its memory, and gives up when asked."""
    stat = group / "memory.stat"
    lines = stat.read_text("utf-8").splitlines() if stat.is_file() else []
    return sum(int(line.split()[1]) for line in lines if line.startswith("inactive_file "))


def _number(path: Path) -> int | None:
    """Whole number that a file of the system holds; None for `max` or a missing file."""
    text = path.read_text("utf-8").strip() if path.is_file() else ""
    return int(text) if text.isdigit() else None
