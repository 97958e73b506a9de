"""Lines of a manifest as a spreadsheet or an editor saved them."""

import csv
import os
import re
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.csv_table import restored
from histoscribe.io.files import read_bytes
from histoscribe.io.sections.delimited import SEPARATORS, utf8

_STATED = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
"""First line by which Excel is told the separator."""
_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0")
"""First bytes of `.xlsx` (and of every zip file) and of `.xls`."""


@dataclass(frozen=True)
class ManifestTable:
    """Lines of a manifest by the names of its columns."""

    rows: tuple[tuple[int, dict[str, str]], ...]
    """Line number and cells of each line with content."""
    notes: tuple[str, ...]
    """What had to be assumed to read the file."""


def manifest_table(path: Path, required: Sequence[str], known: Collection[str]) -> ManifestTable:
    """Read a table whose header has the `required` columns.

    The separator is the one by which the header has them. A name of a `known` column may have
    capitals, and spaces for underscores. Columns without a name and without a cell are left out, as
    are cells behind the last column that are empty. A line may be shorter than the header only
    where all columns are known: of a fact (site, subtype) nobody could see that it moved.

    Raises
    ------
    DataContractError
        for a file that cannot be read, misses a column or has no section, and for lines of another
        length than the header.
    """
    text, notes = _text(path, required)
    lines = _lines(path, text, required, known)
    header = [_column(name, known) for name in lines[0]] if lines else []
    body = [(n, line) for n, line in enumerate(lines[1:], start=2) if "".join(line).strip()]
    named = [at for at, name in enumerate(header) if name]
    unnamed = {at for _, line in body for at, cell in enumerate(line) if cell.strip()} - {*named}
    n_least = 0 if {*header} <= {*known, ""} else len(header)
    missing = [name for name in required if name not in header]
    ragged = [
        number
        for number, line in body
        if len(line) < n_least or any(at >= len(header) for at in _filled(line))
    ]
    wrong = {
        f"no column {', '.join(missing)} among {', '.join(filter(None, header))}": missing,
        f"lines of another length than the header: {ragged}": ragged,
        "cells in a column without a name": unnamed and not ragged,
        "no section": not body,
        "a column twice": len({header[at] for at in named}) != len(named),
    }
    if found := [what for what, is_so in wrong.items() if is_so]:
        raise DataContractError(_wrong(path, "; ".join(found), required))
    rows = [
        (number, {header[at]: restored(line[at].strip()) if at < len(line) else "" for at in named})
        for number, line in body
    ]
    return ManifestTable(tuple(rows), notes)


def manifest_path(folder: Path, text: str) -> Path:
    """Path in a cell, relative to the folder of the manifest.

    `~` is the home folder. Where no file has the name as written, a backslash separates folders, as
    on Windows, and an accented letter may be one sign or two, as on a Mac.
    """
    text = text.strip('"')  # a path that was copied from a file manager
    path = Path(text)
    if text.startswith("~"):
        path = Path(os.path.expanduser(text))  # noqa: PTH111  # keeps `~name` of no user
    if "\\" in text and not os.path.exists(folder / path):  # noqa: PTH110  # of any length
        path = Path(str(path).replace("\\", "/"))
    if not (text.isascii() or os.path.exists(folder / path)):  # noqa: PTH110
        forms = [Path(unicodedata.normalize(form, str(path))) for form in ("NFC", "NFD")]
        path = next((one for one in forms if os.path.exists(folder / one)), path)  # noqa: PTH110
    return folder / path


def _text(path: Path, required: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    raw = read_bytes(path, "a CSV file")
    if raw.startswith(_WORKBOOK):
        raise DataContractError(_wrong(path, "a workbook, or another archive", required))
    text, notes = utf8(path, raw)
    return text.decode().replace("\r\n", "\n").replace("\r", "\n"), notes


def _lines(
    path: Path, text: str, required: Sequence[str], known: Collection[str]
) -> list[list[str]]:
    """Cells of every line, cut by the separator that gives the required columns."""
    first, _, rest = text.partition("\n")
    if stated := _STATED.fullmatch(first.strip()):
        # the line of the separator stays as an empty one: numbers of lines are those of the file
        lines = _cut(path, rest, stated[1])
        return [*lines[:1], [], *lines[1:]]
    ways = [_cut(path, text, separator.decode()) for separator in SEPARATORS if separator != b" "]
    names = [{_column(name, known) for name in way[0]} if way else set() for way in ways]
    fitting = [way for way, of in zip(ways, names, strict=True) if {*required} <= of]
    return fitting[0] if fitting else max(ways, key=lambda way: len(way[0]) if way else 0)


def _cut(path: Path, text: str, separator: str) -> list[list[str]]:
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=separator))
    except csv.Error as error:
        raise DataContractError(
            Problem(str(path), f"cannot be read ({error})", "a CSV file", "save the table again")
        ) from error


def _column(name: str, known: Collection[str]) -> str:
    """Name of a column; a known one in any spelling, another as written."""
    plain = re.sub(r"[\s_-]+", "_", name.strip().casefold())
    return plain if plain in known else name.strip()


def _filled(line: Sequence[str]) -> list[int]:
    return [at for at, cell in enumerate(line) if cell.strip()]


def _wrong(path: Path, found: str, required: Sequence[str]) -> Problem:
    return Problem(
        where=str(path),
        found=found,
        expected=f"a header with {', '.join(required)}, separated by comma, semicolon or tab, and "
        "one line per section",
        remedy="correct the manifest; from a spreadsheet, save the table as CSV",
    )
