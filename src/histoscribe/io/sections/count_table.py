"""Text tables of counts: spots in rows or genes in rows, with or without quotes."""

import re
from collections import Counter
from collections.abc import Sequence
from csv import QUOTE_NONE
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.delimited import Delimited, cells_of, read_delimited
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.spot_names import FitNames, NameFit
from histoscribe.io.sections.table import broken, problem_of, some
from histoscribe.types import Counts

_WHOLE = "raw counts: whole numbers >= 0"
_LABELS = 3
"""Most columns before the counts: a number of the line, an id, a symbol."""
_NUMBER = re.compile(rb"[-+]?\d*[.,]?\d*(e[-+]?\d+)?|[-+]?inf|#?n/?an?|none|null", re.IGNORECASE)
"""A number, or what stands for a missing one."""
_WHOLE_COMMA = re.compile(rb"(?<=\d),0{1,2}(?=\t|$)")
"""End of a whole number with a decimal comma. `,000` may be thousands: it is no number."""
_DATE = re.compile(
    r"\d{1,2}-(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)(-\d{2,4})?|(Mar|Sep|Dec)-\d{1,4}",
    re.IGNORECASE,
)
_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}(\.\d+)?")


def read_count_table(
    path: Path, fit: FitNames, genome: str | None = None
) -> tuple[Counts, tuple[str, ...], tuple[str, ...]]:
    """Read a table of counts: a header, then one line per spot or one line per gene.

    `fit` finds the spots of names. The side of the table whose names are spots of the section holds
    the spots; the shape of the table is no evidence. Before the counts, a line may have a number,
    an id and a symbol. `genome` is the one to read if the table has genes of several.

    Returns
    -------
    Counts, the spot of each row as the section names it, and notes. Raises DataContractError, with
    every problem found, where no side or both name spots, for a missing header, duplicate ids, and
    values that are no whole numbers >= 0.
    """
    table = _split(path, read_delimited(path))
    layout = _layout(path, table, fit)
    problems = [
        *([problem_of(path, layout.fit.problem, "each spot once")] if layout.fit.problem else []),
        *_repeated(path, "gene", layout.gene_ids),
        *_repeated(path, "spot", layout.spots),
    ]
    values = _numbers(table.rows)
    if values is None:
        found = f"no number: {_first_word(table.rows, layout)}"
        raise DataContractError([*problems, problem_of(path, found, _WHOLE)])
    values = values.reshape(len(table.rows), len(table.header))
    if problems := [*problems, *_not_counts(path, values, layout)]:
        raise DataContractError(problems)
    matrix = sp.csr_matrix((values.T if layout.turned else values).astype(np.int32))
    features = MatrixFeatures(ids=layout.gene_ids, names=layout.gene_names)
    counts, notes = counts_of(matrix, features, str(path), genome)
    return counts, layout.fit.ids, (*table.notes, *layout.notes, *notes)


@dataclass(frozen=True, eq=False)
class _Table:
    """A table cut into names and counts."""

    header: tuple[str, ...]
    """Name of each column of counts."""
    labels: dict[str, tuple[str, ...]]
    """The columns before the counts, by name: names of the lines."""
    rows: tuple[bytes, ...]
    """Counts of each line, separated by tabs."""
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Layout:
    """Spots and genes of a table."""

    fit: NameFit
    spots: tuple[str, ...]
    """As written in the table."""
    gene_ids: tuple[str, ...]
    gene_names: tuple[str, ...]
    turned: bool
    """Whether a line is a gene."""
    unread: tuple[str, ...]
    """Columns before the counts that are neither spots nor genes."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found and assumed, in words."""
        turned = ("genes are in the rows of the count table",) if self.turned else ()
        unread = tuple(f"column {name} of the count table was not read" for name in self.unread)
        return (*turned, *self.fit.notes, *unread, *self._dates())

    def _dates(self) -> tuple[str, ...]:
        dates = [name for name in self.gene_ids if _DATE.fullmatch(name)]
        if not dates:
            return ()
        return (
            f"{len(dates)} genes are named like dates ({some(dates)}): a spreadsheet does this to "
            "MARCH1, SEPT2 and DEC1; export the table again without it",
        )

    def place(self, row: int, column: int) -> str:
        """Name spot and gene of a cell."""
        spot, gene = (column, row) if self.turned else (row, column)
        return f"at spot {self.spots[spot]}, gene {self.gene_ids[gene]}"


def _split(path: Path, text: Delimited) -> _Table:
    lines = [_tabbed(line, text.separator) for line in text.lines[1:]]
    header = [name.strip() for name in cells_of(text.lines[0], text.separator)]
    n_labels = _n_labels(lines)
    cut = [line.split(b"\t", n_labels) for line in lines]
    names = header[n_labels:]
    if not names or all(_NUMBER.fullmatch(name.encode()) for name in names):
        raise broken(path, "a first line of numbers: the header is missing", "a header of names")
    labels = {
        header[n] or f"number {n + 1}": tuple(_word(cells[n]) for cells in cut)
        for n in range(n_labels)
    }
    if len(labels) > 1 and _counts_lines(next(iter(labels.values()))):
        labels.pop(next(iter(labels)))
    rows = tuple(_WHOLE_COMMA.sub(b"", cells[n_labels]) for cells in cut)
    return _Table(tuple(names), labels, rows, text.notes)


def _tabbed(line: bytes, separator: bytes) -> bytes:
    """A line with tabs between its cells and without quotes."""
    if b'"' not in line:
        return line if separator == b"\t" else line.replace(separator, b"\t")
    label, _, rest = line.removeprefix(b'"').partition(b'"')
    if line.startswith(b'"') and b'"' not in rest and rest.startswith(separator):
        return label + rest.replace(separator, b"\t")  # R: the name of a row only
    return "\t".join(cells_of(line, separator)).encode()


def _n_labels(lines: Sequence[bytes]) -> int:
    """Number of columns before the counts: up to the last one in which no cell is a number."""
    starts = [line.split(b"\t", _LABELS)[:_LABELS] for line in lines]
    columns = range(min(len(cells) for cells in starts))
    cells = {n: [start[n] for start in starts if start[n]] for n in columns}
    words = [n for n in columns if cells[n] and not any(map(_NUMBER.fullmatch, cells[n]))]
    return 1 + max(words, default=0)


def _counts_lines(names: Sequence[str]) -> bool:
    """Whether a column numbers the lines, from 0 or from 1."""
    numbers = [list(names[:1]), [str(n + int(names[0] == "1")) for n in range(len(names))]]
    return numbers[0] in (["0"], ["1"]) and list(names) == numbers[1]


def _layout(path: Path, table: _Table, fit: FitNames) -> _Layout:
    of_lines = {name: fit(label) for name, label in table.labels.items()}
    best = max(of_lines, key=lambda name: of_lines[name].n)
    of_columns = fit(table.header)
    if bool(of_lines[best].n) == bool(of_columns.n):
        raise DataContractError(_no_side(path, table, best, is_both=bool(of_columns.n)))
    if of_columns.n:
        ids = next((name for name, label in table.labels.items() if _are_ids(label)), None)
        ids = ids or next(iter(table.labels))
        symbols = next((name for name in table.labels if name != ids), ids)
        unread = tuple(name for name in table.labels if name not in (ids, symbols))
        genes, names = table.labels[ids], table.labels[symbols]
        names = tuple(name or id_ for id_, name in zip(genes, names, strict=True))
        return _Layout(of_columns, table.header, genes, names, turned=True, unread=unread)
    spots, genes = table.labels[best], table.header
    unread = tuple(name for name in table.labels if name != best)
    return _Layout(of_lines[best], spots, genes, genes, turned=False, unread=unread)


def _are_ids(names: Sequence[str]) -> bool:
    return sum(_ENSEMBL.fullmatch(name) is not None for name in names) > len(names) / 2


def _no_side(path: Path, table: _Table, lines: str, *, is_both: bool) -> Problem:
    rows, columns = some(table.labels[lines]), some(table.header)
    what = "both name" if is_both else "neither names"
    return Problem(
        where=str(path),
        found=f"rows named {rows} and columns named {columns}: {what} spots of this section",
        expected="spots in the rows or in the columns, named as in the table of positions",
        remedy="give counts and positions of the same section, with the same names of spots",
    )


def _numbers(rows: Sequence[bytes]) -> Float[np.ndarray, " cells"] | None:
    """All cells in one column, NaN where empty; None if a cell is no number.

    For a table of 15,000 columns a CSV reader spends more time on columns than on cells; read as a
    single column it is four times faster.
    """
    # with a line end after the last cell, which may be empty
    column = BytesIO(b"\n".join([*rows, b""]).replace(b"\t", b"\n"))
    try:
        table = pd.read_csv(
            column,
            sep="\t",
            names=["count"],
            dtype=np.float64,
            quoting=QUOTE_NONE,
            skip_blank_lines=False,
        )
    except ValueError:
        return None
    return table["count"].to_numpy()


def _first_word(rows: Sequence[bytes], layout: _Layout) -> str:
    """First cell that is no number; slow, for messages only."""
    for row, line in enumerate(rows):
        for column, cell in enumerate(line.split(b"\t")):
            if cell and _numbers([cell]) is None:
                return f"{_word(cell)!r} {layout.place(row, column)}"
    return "in a cell"


def _word(text: bytes) -> str:
    return text.decode(errors="replace").strip()


def _not_counts(path: Path, values: np.ndarray, layout: _Layout) -> list[Problem]:
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
            row, column = np.argwhere(wrong)[0].tolist()
            place = f"first {values[row, column]:g} {layout.place(row, column)}"
            problems.append(problem_of(path, f"{wrong.sum()} {kind}, {place}", _WHOLE))
    return problems


def _repeated(path: Path, what: str, ids: Sequence[str]) -> list[Problem]:
    twice = [id_ for id_, n in Counter(ids).items() if n > 1]
    found = f"{len(twice)} {what} ids repeat: {some(twice)}"
    return [problem_of(path, found, f"each {what} once")] if twice else []
