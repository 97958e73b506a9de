"""The error for invalid data: lists every problem with its place and remedy."""

from collections.abc import Iterable
from dataclasses import dataclass

from histoscribe.printable import printable


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
