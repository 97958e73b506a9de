"""Bytes of text files, zipped or not, and messages about them."""

from collections.abc import Sequence
from pathlib import Path

from histoscribe.errors import DataContractError, Problem


def broken(path: Path, problem: str, expected: str) -> DataContractError:
    """Error for a file with one problem."""
    return DataContractError(problem_of(path, problem, expected))


def problem_of(path: Path, problem: str, expected: str) -> Problem:
    """Problem of a file."""
    return Problem(str(path), problem, expected, "copy or export the file again, or correct it")


def some(names: Sequence[str]) -> str:
    """The first five names, for a message."""
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
