"""Tables as CSV that a spreadsheet opens without running a cell as a formula.

A spreadsheet runs a text cell that starts with `=`, `+`, `-`, `@`, a tab or a line end. Such a cell
gets an apostrophe in front, which spreadsheets read as "this is text"; reading takes it off again.
Numbers stay numbers.
"""

import csv
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = re.compile("'*[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # the last four: full width
_DEFUSED = re.compile(f"'(?={_FORMULA.pattern})")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


def defused(cell: str) -> str:
    """Text of a cell that no spreadsheet runs; `restored` gives the cell back.

    >>> defused("=HYPERLINK(1)"), defused("HLA-A"), defused("-0.5"), defused("'=1")
    ("'=HYPERLINK(1)", 'HLA-A', '-0.5', "''=1")
    """
    runs = _FORMULA.match(cell) is not None and _NUMBER.fullmatch(cell) is None
    return f"'{cell}" if runs else cell


def restored(cell: str) -> str:
    """Cell before `defused`.

    >>> restored("'=HYPERLINK(1)"), restored("'s-Gravenhage")
    ('=HYPERLINK(1)', "'s-Gravenhage")
    """
    return cell[1:] if _DEFUSED.match(cell) else cell


def csv_text(table: pd.DataFrame) -> str:
    """Table as CSV with six digits for fractions, without its index; text cells are defused."""
    safe = _changed(table, defused)
    safe.columns = pd.Index([_cell(name, defused) for name in safe.columns])
    plain = safe.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    if "\r" not in plain:
        return plain
    return safe.to_csv(index=False, float_format="%.6g", lineterminator="\n", quoting=csv.QUOTE_ALL)


def csv_rows(rows: list[list[str]]) -> str:
    """Rows of text as CSV; cells are defused."""
    text = io.StringIO()
    bare = any("\r" in cell for row in rows for cell in row)  # csv quotes only its own line ends
    writer = csv.writer(text, csv.unix_dialect if bare else csv.excel, lineterminator="\n")
    writer.writerows([defused(cell) for cell in row] for row in rows)
    return text.getvalue()


def read_csv_rows(path: Path) -> tuple[list[str], list[dict[str, str]]]:
    """Header, and the cells of each row by column, of a file that this module wrote.

    A row that ends early lacks its last cells. Raises OSError, UnicodeDecodeError or csv.Error for
    a file that is no such table.
    """
    with path.open(encoding="utf-8", newline="") as file:
        lines = [[restored(cell) for cell in line] for line in csv.reader(file)]
    header = lines[0] if lines else []
    return header, [dict(zip(header, line, strict=False)) for line in lines[1:] if line]


def restored_table(table: pd.DataFrame) -> pd.DataFrame:
    """Table with the text cells of a file that `csv_text` wrote."""
    return _changed(table, restored)


def _changed(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    """Table with changed text cells; each text is changed once, because scores repeat names."""
    changed = table.copy(deep=False)
    for place, dtype in enumerate(table.dtypes):
        if not pd.api.types.is_numeric_dtype(dtype):
            column = table.iloc[:, place].astype(object)
            cells = {cell: _cell(cell, change) for cell in column.unique()}
            if any(cells[cell] is not cell for cell in cells):
                changed.isetitem(place, list(column.map(cells)))
    return changed


def _cell(value: Any, change: Callable[[str], str]) -> Any:
    return change(value) if isinstance(value, str) else value
