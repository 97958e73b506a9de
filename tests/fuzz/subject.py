"""A kind of input that is damaged, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class UnsoundError(Exception):
    """A damaged file was read, and gave values that cannot be."""


def all_files(folder: Path) -> list[Path]:
    """Every file of an input."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


@dataclass(frozen=True)
class Subject:
    """A sound input, and how it is read."""

    name: str
    make: Callable[[Path], Any]
    """Write it into a folder."""
    read: Callable[[Path], Any]
    """Read it from there; raises `UnsoundError` for values that cannot be."""
    files: Callable[[Path], list[Path]] = all_files
    """Files that may be damaged."""
    sign: Callable[[Path], None] | None = None
    """Write the checksums anew, so that the damage gets past them."""


def check(*, so: bool, what: str) -> None:
    """Raise UnsoundError unless it is so."""
    if not so:
        raise UnsoundError(what)
