"""Text tables of array experiments: counts (spots x genes) and spot positions."""

import gzip
import zlib
from collections import Counter
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pandas.api.types import is_numeric_dtype

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.genes import counts_of
from histoscribe.types import Counts

_GZIP = b"\x1f\x8b"


def read_bytes(path: Path) -> bytes:
    """All bytes of a file, unzipped where it starts like gzip, whatever its name."""
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
    """Read a tab-separated table of counts: a header of genes, then one line a spot.

    Returns
    -------
    Counts, the spot id of each row, and notes. Raises DataContractError, with every problem
    found, for a missing header, duplicate ids, and values that are no whole numbers >= 0.
    """
    text = read_bytes(path)
    genes = _header(path, text)
    table = _parse(path, text)
    spots = tuple(str(id_) for id_ in table.index)
    problems = [*_repeated(path, "gene", genes), *_repeated(path, "spot", spots)]
    values = np.empty((0, 0), dtype=np.float64)
    strange = [
        name for name, kind in zip(genes, table.dtypes, strict=True) if not is_numeric_dtype(kind)
    ]
    if strange:
        problems.append(_problem(path, f"words among the counts of {_some(strange)}", _WHOLE))
    else:
        values = table.to_numpy(dtype=np.float64)
        problems += _not_counts(path, values, spots, genes)
    if problems:
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


def broken(path: Path, found: str, expected: str) -> DataContractError:
    """Make the error for a file with one thing wrong."""
    return DataContractError(_problem(path, found, expected))


_WHOLE = "raw counts: whole numbers >= 0"
_TABLE = "tab-separated lines of equal length below a header"


def _problem(path: Path, found: str, expected: str) -> Problem:
    return Problem(str(path), found, expected, "export the table again, or fix these entries")


def _header(path: Path, text: bytes) -> list[str]:
    """Gene names; the first line may or may not have a cell above the spot ids."""
    lines = text[:4_000_000].split(b"\n", 2)
    if len(lines) < 2 or not lines[1].strip():
        raise broken(path, "fewer than two lines", "a header of genes and one line a spot")
    first, second = (line.decode(errors="replace").rstrip("\r").split("\t") for line in lines[:2])
    genes = first[len(first) - len(second) + 1 :] if len(first) < len(second) else first[1:]
    if len(first) not in (len(second), len(second) - 1):
        found = f"{len(first)} columns in the header and {len(second)} in the line below"
        raise broken(path, found, _TABLE)
    if genes and all(_is_number(name) for name in genes):
        raise broken(path, "a first line of numbers: the header is missing", "a header of genes")
    return genes


def _parse(path: Path, text: bytes) -> pd.DataFrame:
    body = text[text.index(b"\n") + 1 :]
    first = b"\t".join(b"%d" % column for column in range(body.split(b"\n", 1)[0].count(b"\t") + 1))
    try:
        # plain numbers as the header keep pandas from renaming genes that repeat
        return pd.read_csv(
            BytesIO(first + b"\n" + body), sep="\t", index_col=0, dtype={"0": str}, low_memory=False
        )
    except (pd.errors.ParserError, UnicodeDecodeError) as error:
        raise broken(path, f"lines of unequal length ({error})", _TABLE) from error


def _not_counts(
    path: Path, values: np.ndarray, spots: Sequence[str], genes: Sequence[str]
) -> list[Problem]:
    """One problem for each kind of value that is no count, with the first place of each."""
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
