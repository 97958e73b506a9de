"""The error for invalid data: lists every problem with its place and remedy."""

import errno
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from histoscribe.printable import printable

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
"""Errors of writing that every other section or slide would meet, too."""
_MOST_CHARACTERS = 500
"""Length at which the text of another library is cut in a message."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Problem:
    """One problem of the data, in words that a user can act on."""

    where: str
    """File, section, column, line or setting."""
    found: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        """Format as one readable paragraph; control characters are shown as their escapes."""
        where, found, expected, remedy = map(
            printable, (self.where, self.found, self.expected, self.remedy)
        )
        return f"{where}: {found}\n  expected: {expected}\n  what to do: {remedy}"


class DataContractError(Exception):
    """Invalid data, settings or weights; lists every problem, not only the first."""

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        found = (problems,) if isinstance(problems, Problem) else tuple(problems)
        if not found:
            raise ValueError("a DataContractError needs at least one problem")
        self.problems: tuple[Problem, ...] = found
        super().__init__("\n".join(str(problem) for problem in found))


@contextmanager
def errors_told(where: str) -> Iterator[None]:
    """Turn any error of another library into a `DataContractError` with its kind.

    For work on one section or slide: a file can fail in ways that no list of exceptions foresees,
    and must not hide the problems of the others. The traceback goes to the log (level DEBUG, shown
    with `HISTOSCRIBE_DEBUG=1`). A full disk is raised as it is: it stops all work.
    """
    try:
        yield
    except DataContractError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            raise
        raise DataContractError(unforeseen(where, error)) from error


def unforeseen(where: str, error: Exception) -> Problem:
    """Problem of an error that no reader foresaw; logs its traceback."""
    _log.debug("unforeseen error: %s", where, exc_info=error)
    kind, text = type(error).__name__, " ".join(str(error).split())
    found = f"{kind}: {text[:_MOST_CHARACTERS]}" if text else kind
    if isinstance(error, MemoryError):
        return Problem(
            where,
            f"memory ran out ({found})",
            "a file that fits into memory",
            "close other programs, run fewer processes, or save the image as a pyramidal TIFF",
        )
    return Problem(
        where,
        found,
        "files that can be read",
        "check the files, copy or export them again; HISTOSCRIBE_DEBUG=1 shows where it happened",
    )
