"""Bytes of text files, zipped or not, and messages about them."""

import gzip
import zlib
from collections.abc import Sequence
from pathlib import Path

from histoscribe.errors import DataContractError, Problem

_GZIP = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, unzipped if it starts like gzip, whatever its name."""
    raw = path.read_bytes()
    if not raw.startswith(_GZIP):
        return raw
    try:
        return gzip.decompress(raw)
    except (EOFError, OSError, zlib.error) as error:
        raise broken(
            path, f"the gzip file is truncated or broken ({error})", "a complete file"
        ) from error


def broken(path: Path, problem: str, expected: str) -> DataContractError:
    """Error for a file with one problem."""
    return DataContractError(problem_of(path, problem, expected))


def problem_of(path: Path, problem: str, expected: str) -> Problem:
    """Problem of a file."""
    return Problem(str(path), problem, expected, "copy or export the file again, or correct it")


def some(names: Sequence[str]) -> str:
    """The first five names, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
