"""Text tables of array experiments: counts (spots x genes) and spot positions."""

import gzip
import zlib
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.types import Counts

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


def read_count_table(path: Path) -> tuple[Counts, tuple[str, ...], tuple[str, ...]]:
    """Read a tab-separated table of counts: a header of genes, then one line per spot.

    Returns
    -------
    Counts, the spot id of each row, and notes. Raises DataContractError, with every problem
    found, for a missing header, duplicate ids, and values that are no whole numbers >= 0.
    """
    first, *lines = read_bytes(path).replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    if not lines:
        raise broken(path, "fewer than two lines", "a header of genes and one line per spot")
    genes = _header(path, first, lines[0])
    _check_lengths(path, lines, len(genes))
    cells = [line.partition(b"\t") for line in lines]
    spots = tuple(_word(spot) for spot, _, _ in cells)
    problems = [*_repeated(path, "gene", genes), *_repeated(path, "spot", spots)]
    rows = [row for _, _, row in cells]
    values = _numbers(rows)
    if values is None:
        problems.append(_problem(path, f"no number: {_first_word(rows, spots, genes)}", _WHOLE))
    else:
        values = values.reshape(len(spots), len(genes))
        problems += _not_counts(path, values, spots, genes)
    if values is None or problems:
        raise DataContractError(problems)
    counts, notes = counts_of(sp.csr_matrix(values.astype(np.int32)), genes, genes)
    return counts, spots, notes


def read_positions(path: Path, columns: Sequence[str]) -> pd.DataFrame:
    """Read a tab-separated table with a header that has these numeric columns."""
    try:
        table = pd.read_csv(BytesIO(read_bytes(path)), sep="\t")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise broken(path, f"not a tab-separated table ({error})", _TABLE) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        found = f"no column {', '.join(missing)}; it has {_some([str(c) for c in table.columns])}"
        raise broken(path, found, f"a header with {', '.join(columns)}")
    if not np.isfinite(table[list(columns)].apply(pd.to_numeric, errors="coerce")).all(axis=None):
        raise broken(path, f"gaps or words in {', '.join(columns)}", "numbers in every line")
    return table


def broken(path: Path, problem: str, expected: str) -> DataContractError:
    """Error for a file with one problem."""
    return DataContractError(_problem(path, problem, expected))


_WHOLE = "raw counts: whole numbers >= 0"
_TABLE = "tab-separated lines of equal length below a header"


def _problem(path: Path, problem: str, expected: str) -> Problem:
    return Problem(str(path), problem, expected, "copy or export the file again, or correct it")


def _header(path: Path, first: bytes, second: bytes) -> list[str]:
    """Gene names; the first line may have a cell above the spot ids or not."""
    names, n_cells = _word(first).split("\t"), second.count(b"\t") + 1
    if len(names) not in (n_cells, n_cells - 1):
        found = f"{len(names)} columns in the header and {n_cells} in the line below"
        raise broken(path, found, _TABLE)
    genes = names[1:] if len(names) == n_cells else names
    if all(_is_number(name) for name in genes):
        raise broken(path, "a first line of numbers: the header is missing", "a header of genes")
    return genes


def _check_lengths(path: Path, lines: Sequence[bytes], n_genes: int) -> None:
    odd = [number for number, line in enumerate(lines, start=2) if line.count(b"\t") != n_genes]
    if odd:
        found = f"{len(odd)} lines of unequal length, first line {odd[0]}"
        raise broken(path, found, f"{n_genes} counts in every line")


def _numbers(rows: Sequence[bytes]) -> Float[np.ndarray, " cells"] | None:
    """All cells in one column, NaN where empty; None if a cell is no number.

    For a table of 15,000 columns a CSV reader spends more time on columns than on cells; read as a
    single column it is four times faster.
    """
    # with a line end after the last cell, which may be empty
    column = pa.BufferReader(b"\n".join([*rows, b""]).replace(b"\t", b"\n"))
    try:
        table = pa.csv.read_csv(
            column,
            read_options=pa.csv.ReadOptions(column_names=["count"], use_threads=False),
            parse_options=pa.csv.ParseOptions(ignore_empty_lines=False),
            convert_options=pa.csv.ConvertOptions(column_types={"count": pa.float64()}),
        )
    except pa.ArrowInvalid:
        return None
    return table["count"].to_numpy()


def _first_word(rows: Sequence[bytes], spots: Sequence[str], genes: Sequence[str]) -> str:
    """First cell that is no number; slow, for messages only."""
    for spot, row in zip(spots, rows, strict=True):
        for gene, cell in zip(genes, row.split(b"\t"), strict=True):
            if cell and _numbers([cell]) is None:
                return f"{_word(cell)!r} at spot {spot}, gene {gene}"
    return "in a cell"


def _word(text: bytes) -> str:
    return text.decode(errors="replace")


def _not_counts(
    path: Path, values: np.ndarray, spots: Sequence[str], genes: Sequence[str]
) -> list[Problem]:
    """One problem for each kind of invalid count, with the first place of each."""
    kinds = {
        "empty cells": np.isnan(values),
        "negative values": values < 0,
        "fractions": np.isfinite(values) & (values != np.rint(values)),
        "values too large for a count": values > np.iinfo(np.int32).max,
    }
    problems = []
    for kind, wrong in kinds.items():
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            place = f"first {values[row, column]:g} at spot {spots[row]}, gene {genes[column]}"
            problems.append(_problem(path, f"{wrong.sum()} {kind}, {place}", _WHOLE))
    return problems


def _repeated(path: Path, what: str, ids: Sequence[str]) -> list[Problem]:
    twice = [id_ for id_, n in Counter(ids).items() if n > 1]
    found = f"{len(twice)} {what} ids repeat: {_some(twice)}"
    return [_problem(path, found, f"each {what} once")] if twice else []


def _is_number(word: str) -> bool:
    return word.strip().replace(".", "", 1).isdigit()


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
