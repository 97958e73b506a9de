"""Selection of sections by the values of their columns."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from difflib import get_close_matches

from histoscribe.errors import DataContractError, Problem

Where = Mapping[str, str | tuple[str, ...]]
"""Column -> the value, or one of the values, that a section must have there."""
_MOST = 12
"""Number of values of a column that a message lists."""


def choose(
    rows: Sequence[Mapping[str, str]], where: Where, place: str
) -> tuple[Mapping[str, str], ...]:
    """Rows that have one of the given values in every given column, in their order.

    Raises
    ------
    DataContractError
        listing every missing column and every value that no row has (a misspelt value would
        silently select fewer sections), or if no row is left.
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
            Problem(place, f"no section has {asked}", "at least one section", "remove a condition")
        )
    return chosen


def facts_of(row: Mapping[str, str], fields: Collection[str]) -> dict[str, str]:
    """Facts of a row: cells that are not empty, in no column of `fields`.

    Every kind of cohort takes its facts from the row that `choose` filters: a name that `where`
    accepts is a fact of the section or one of its fields.
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
