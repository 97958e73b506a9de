"""Delimited text as programs of all kinds write it: its content proves encoding and separator.

Excel, R and pandas write one table in many ways: UTF-8 with or without a mark, UTF-16 or
Windows-1252; tab, comma, semicolon or space; Unix, Windows or old Mac line ends; quotes; a header
that lacks the cell above the row names; empty columns and lines at the end; decimal commas. The
name of a file says nothing about it: what its first lines do not prove is asked for.
"""

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool

from histoscribe.io.files import read_bytes
from histoscribe.io.sections.table import broken, some

SEPARATORS = {b"\t": "tab", b",": "comma", b";": "semicolon", b" ": "space"}
"""Separators of cells, with their names in messages."""
TABLE = "lines of equal length below a header, separated by tab, comma or semicolon"
_STATED = re.compile(rb'"?sep=(.)"?', re.IGNORECASE)
"""First line by which Excel is told the separator."""
_COMMA = re.compile(r"-?\d+,\d+(e[-+]?\d+)?", re.IGNORECASE)
_THOUSANDS = re.compile(r"-?[1-9]\d{0,2}(,\d{3})+")
_FLAGS = {"1": True, "1.0": True, "true": True, "0": False, "0.0": False, "false": False}
"""Spellings of flags: R and pandas write words or fractions."""
_PROOF = 5
"""Number of lines from which the separator is proven."""


@dataclass(frozen=True, eq=False)
class Delimited:
    """Lines of a table, with the separator of their cells."""

    lines: tuple[bytes, ...]
    """UTF-8 without line ends; the header first, with a cell above every column."""
    separator: bytes
    notes: tuple[str, ...]
    """What had to be assumed to read it."""


def read_delimited(path: Path) -> Delimited:
    """Read the lines of a table and prove its separator.

    A header that is one cell shorter than the lines below it gets an empty first cell: R leaves out
    the one above the row names. Columns at the end without a name and without a cell are left out.

    Raises
    ------
    DataContractError
        for a file that is no text, where no separator or several fit, and for ragged lines.
    """
    lines, notes = text_lines(path)
    lines = [line for line in lines if line.strip(b" \t,;\"'")]
    stated = _STATED.fullmatch(lines[0].strip()) if lines else None
    if stated:
        lines = lines[1:]
    if len(lines) < 2:
        raise broken(path, "fewer than two lines", "a header and one line per row")
    separator = stated[1] if stated else separator_of(path, lines[:_PROOF])
    lines = _without_empty_end(lines, separator)
    n_header, n_cells = (len(cells_of(line, separator)) for line in lines[:2])
    if n_header not in (n_cells, n_cells - 1) or n_cells < 2:
        raise broken(path, unequal(n_header, n_cells), TABLE)
    if n_header == n_cells - 1:
        lines[0] = separator + lines[0]
    _check_lengths(path, lines, separator, n_cells)
    return Delimited(tuple(lines), separator, notes)


def read_frame(
    path: Path, *, header: Sequence[str] | None = None, words: bool = False
) -> pd.DataFrame:
    """Read a table with its numbers; `words` leaves every cell as it is written.

    `header` names the columns of a file that has no header line. Numbers with decimal commas are
    read where the separator is no comma. The notes are in `attrs["notes"]`. A column without a name
    is called `Unnamed: <number>`.

    Raises
    ------
    DataContractError
        like `read_delimited`, and for numbers that may have decimal or thousands commas.
    """
    table = read_delimited(path)
    top = () if header is None else (table.separator.join(name.encode() for name in header),)
    try:
        frame = pd.read_csv(
            BytesIO(b"\n".join([*top, *table.lines])),
            sep=table.separator.decode(),
            decimal="." if words else _decimal(path, table),
            dtype=str if words else None,
            keep_default_na=not words,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, ValueError) as error:
        raise broken(path, f"not a table ({error})", TABLE) from error
    frame.columns = [str(name).strip() for name in frame.columns]
    frame.attrs["notes"] = table.notes
    return frame


def read_positions(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a table whose header has these columns, with a number in every line.

    Names of columns become small letters, if they stay different.
    """
    table = read_frame(path)
    small = [name.casefold() for name in table.columns]
    table.columns = small if len(set(small)) == len(small) else table.columns
    missing = [name for name in columns if name not in table.columns]
    if missing:
        found = f"no column {', '.join(missing)}; it has {some(list(table.columns))}"
        raise broken(path, found, f"a header with {', '.join(columns)}")
    if not np.isfinite(table[list(columns)].apply(pd.to_numeric, errors="coerce")).all(axis=None):
        raise broken(path, f"gaps or words in {', '.join(columns)}", "numbers in every line")
    return table


def flags_of(path: Path, values: pd.Series) -> Bool[np.ndarray, " rows"]:
    """Read a column of flags: 0 and 1, false and true, as numbers or as words.

    Raises DataContractError for anything else.
    """
    flags = values.astype(str).str.strip().str.lower().map(_FLAGS)
    if flags.isna().any():
        odd = values[flags.isna().to_numpy()].iloc[0]
        raise broken(path, f"{values.name} is {str(odd)!r} at a spot", "0 or 1 at every spot")
    return flags.to_numpy(bool)


def text_lines(path: Path) -> tuple[list[bytes], tuple[str, ...]]:
    """Lines of a text in UTF-8 without line ends, and a note where the encoding is assumed."""
    raw = read_bytes(path)
    text, notes = utf8(path, raw)
    return text.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n").split(b"\n"), notes


def utf8(path: Path, raw: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Text in UTF-8 without a byte order mark, and a note where the encoding is assumed.

    UTF-16 is known by its mark, or by its zeros; what is neither that nor UTF-8 is taken for
    Windows-1252, which Excel writes. Raises DataContractError for bytes that are no text.
    """
    wide = _utf16(raw)
    try:
        if wide:
            return raw.decode(wide).lstrip("\ufeff").encode(), ()
        if b"\0" in raw:
            raise broken(path, "no text: it has bytes of zero", TABLE)
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        try:
            return raw.decode("cp1252").encode(), (f"{path.name}: no UTF-8, read as Windows-1252",)
        except UnicodeDecodeError:
            raise broken(path, f"no text ({error})", TABLE) from error
    return raw.removeprefix(b"\xef\xbb\xbf"), ()


def cells_of(line: bytes, separator: bytes) -> list[str]:
    """Cells of a line, without their quotes."""
    text = line.decode(errors="replace")
    if '"' not in text:
        return text.split(separator.decode())
    return next(csv.reader([text], delimiter=separator.decode()), [])


def separator_of(path: Path, lines: Sequence[bytes]) -> bytes:
    """The one separator that cuts the header and the first lines into as many cells.

    The header may have a cell less: R leaves out the one above the row names.

    Raises
    ------
    DataContractError
        where no separator or several do; the message names what each gives.
    """
    header, *body = [
        {separator: len(cells_of(line, separator)) for separator in SEPARATORS} for line in lines
    ]
    fitting = [
        separator
        for separator in SEPARATORS
        if body[0][separator] > 1 and 0 <= body[0][separator] - header[separator] <= 1
    ]
    if len(fitting) > 1:
        fitting = [of for of in fitting if all(line[of] == body[0][of] for line in body)]
        # a sign that the header lacks is rather part of a cell below it
        fitting = [of for of in fitting if header[of] > 1] or fitting
    if fitting[:1] and fitting[1:] in ([], [b" "]):
        return fitting[0]
    if fitting:
        names = " and ".join(SEPARATORS[separator] for separator in fitting)
        raise broken(path, f"cells that may be separated by {names}", "one separator")
    tried = [
        f"by {name} {unequal(header[separator], body[0][separator])}"
        for separator, name in SEPARATORS.items()
        if body[0][separator] > 1 or header[separator] > 1
    ]
    found = f"the separator of cells is not clear: {'; '.join(tried) or 'no tab, comma, semicolon'}"
    raise broken(path, found, TABLE)


def unequal(n_header: int, n_cells: int) -> str:
    """Words for a header that does not fit the line below it."""
    return f"{n_header} columns in the header and {n_cells} in the line below"


def _without_empty_end(lines: list[bytes], separator: bytes) -> list[bytes]:
    """Drop empty columns at the end of every line."""
    while separator != b" " and all(line.rstrip(b" ").endswith(separator) for line in lines):
        lines = [line.rstrip(b" ")[: -len(separator)] for line in lines]
    return lines


def _check_lengths(path: Path, lines: Sequence[bytes], separator: bytes, n_cells: int) -> None:
    odd = [
        number
        for number, line in enumerate(lines, start=1)
        if line.count(separator) != n_cells - 1 and len(cells_of(line, separator)) != n_cells
    ]
    if odd:
        found = f"{len(odd)} lines of unequal length, first line {odd[0]}"
        raise broken(path, found, f"{n_cells} cells in every line, as in the second")


def _decimal(path: Path, table: Delimited) -> str:
    """Decimal sign of the numbers; a comma only where a number proves it."""
    if table.separator == b"," or not any(b"," in line for line in table.lines):
        return "."
    cells = [cell.strip() for line in table.lines[1:] for cell in cells_of(line, table.separator)]
    numbers = [cell for cell in cells if _COMMA.fullmatch(cell) or _THOUSANDS.fullmatch(cell)]
    if not numbers:
        return "."
    if all(_THOUSANDS.fullmatch(cell) for cell in numbers):
        found = f"numbers like {numbers[0]}, whose comma may be a decimal sign or part thousands"
        raise broken(path, found, "numbers with decimal points and without thousands signs")
    return ","


def _utf16(raw: bytes) -> str | None:
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16"
    start = raw[:200]
    if len(start) < 4 or len(start) % 2:
        return None
    if not any(start[1::2]) and all(start[::2]):
        return "utf-16-le"
    return "utf-16-be" if not any(start[::2]) and all(start[1::2]) else None
