"""Which sections of a table are meant: every column named must hold one of the values named."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

from histoscribe.errors import DataContractError, Problem

Where = Mapping[str, str | tuple[str, ...]]
"""Column -> the value, or any of the values, that a section must have there."""
_MOST = 12
"""Values of a column that a message lists."""


def choose(
    rows: Sequence[Mapping[str, str]], where: Where, place: str
) -> tuple[Mapping[str, str], ...]:
    """Give the rows that have one of the values in every column named, in their order.

    Raises
    ------
    DataContractError
        Listing every column that is not there and every value that no row has (a misspelt value
        would silently mean fewer sections), or that no row is left.
    """
    wanted = {name: (value,) if isinstance(value, str) else value for name, value in where.items()}
    columns = list(dict.fromkeys(name for row in rows for name in row))
    problems = [
        problem
        for name, values in wanted.items()
        for problem in _problems(rows, columns, name, values, place)
    ]
    if problems:
        raise DataContractError(problems)
    chosen = tuple(
        row for row in rows if all(row.get(name, "") in values for name, values in wanted.items())
    )
    if not chosen:
        asked = "; ".join(f"{name} = {' or '.join(values)}" for name, values in wanted.items())
        raise DataContractError(
            Problem(place, f"no section has {asked}", "at least one section", "ask for less")
        )
    return chosen


def facts_of(row: Mapping[str, str], fields: Collection[str]) -> dict[str, str]:
    """Cells of a row that say something more of the section: not empty, in no column of `fields`.

    Every kind of cohort takes its facts from here, out of the row that `choose` looks at: what
    `where` can name is a fact of the section, or one of the fields that a section has anyway.
    """
    return {name: cell for name, cell in row.items() if cell and name not in fields}


def _problems(
    rows: Sequence[Mapping[str, str]],
    columns: Sequence[str],
    name: str,
    values: Iterable[str],
    place: str,
) -> list[Problem]:
    where = f"settings, where.{name}"
    if name not in columns:
        near = get_close_matches(name, columns, n=2)
        remedy = f"did you mean {' or '.join(near)}?" if near else "correct the name"
        return [
            Problem(where, f"no such column in {place}", f"one of {', '.join(columns)}", remedy)
        ]
    there = sorted({row.get(name, "") for row in rows} - {""})
    return [
        Problem(where, f"no section has {value!r}", f"one of {_some(there)}", _near(value, there))
        for value in values
        if value not in there
    ]


def _near(value: str, there: Sequence[str]) -> str:
    near = get_close_matches(value, there, n=2)
    return f"did you mean {' or '.join(near)}?" if near else "correct the value, or leave it out"


def _some(values: Sequence[str]) -> str:
    return ", ".join(values[:_MOST]) + (f", ... ({len(values)})" if len(values) > _MOST else "")
