"""Filled forms of a reading sheet."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import pandas as pd
from jaxtyping import Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.levels.reading_key import ANSWERS, ReadingKey
from histoscribe.io.sections.delimited import read_frame

_COLUMNS = ("sheet", "tile", "answer")
_NAMED = 5


@final
@dataclass(frozen=True, eq=False)
class FilledForm:
    """Answers of one reader."""

    reader: str
    answers: Int[np.ndarray, " n"]
    """1 (surely low) to 5 (surely high) for each tile, in the order of the sheet."""


def read_forms(paths: Sequence[Path], key: ReadingKey) -> tuple[FilledForm, ...]:
    """Read the form of each reader, who is named by the file.

    Raises
    ------
    DataContractError
        listing everything wrong with all forms: unreadable files, the form of another sheet, tiles
        that are missing, unknown or twice there, and answers that are missing or unknown.
    """
    problems: list[Problem] = []
    forms: list[FilledForm] = []
    for path in paths:
        try:
            table = _table(path)
        except DataContractError as error:
            problems += error.problems
            continue
        wrong = [*_problems(path, table, key)]
        problems += wrong
        if not wrong:
            order = np.argsort(table["tile"].astype(int).to_numpy(), kind="stable")
            forms.append(FilledForm(path.stem, table["answer"].astype(int).to_numpy()[order]))
    twice = [name for name, n in Counter(path.stem for path in paths).items() if n > 1]
    if twice:
        found = f"several forms of {', '.join(twice)}"
        problems.append(
            Problem("read", found, "one form for each reader", "name each file by its reader")
        )
    if problems:
        raise DataContractError(problems)
    return tuple(forms)


def _table(path: Path) -> pd.DataFrame:
    expected = f"a table with the columns {', '.join(_COLUMNS)}"
    table = read_frame(path, words=True)
    if missing := [name for name in _COLUMNS if name not in table]:
        found = f"no column {', '.join(missing)}"
        raise DataContractError(Problem(str(path), found, expected, "fill in form.csv"))
    return table.apply(lambda column: column.str.strip())


def _problems(path: Path, table: pd.DataFrame, key: ReadingKey) -> Iterator[Problem]:
    where, sheet = str(path), key.sheet[:12]
    if others := sorted(set(table["sheet"]) - {sheet}):
        yield Problem(
            where,
            f"sheet {', '.join(others[:_NAMED])}",
            f"sheet {sheet}, which the key is of",
            "give the key of this sheet, or the forms of that one",
        )
        return
    known = [str(tile) for tile in range(1, len(key.tiles) + 1)]
    counts = Counter(table["tile"])
    wrong = {
        "missing": [tile for tile in known if tile not in counts],
        "unknown": [tile for tile in counts if tile not in known],
        "twice": [tile for tile, n in counts.items() if n > 1],
    }
    for what, tiles in wrong.items():
        if tiles:
            yield Problem(
                where,
                f"tiles {what}: {_some(tiles)}",
                f"each of the tiles 1 to {len(known)} once",
                "correct the lines of the form",
            )
    allowed = {str(answer) for answer in ANSWERS}
    odd = table[~table["answer"].isin(allowed)]
    if len(odd):
        cells = [
            f"{answer or 'empty'} (tile {tile})"
            for tile, answer in zip(odd["tile"], odd["answer"], strict=True)
        ]
        yield Problem(
            where,
            f"unknown answers: {_some(cells)}",
            ", ".join(f"{number} ({words})" for number, words in ANSWERS.items()),
            "ask the reader, and fill in every line",
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (
        f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    )
