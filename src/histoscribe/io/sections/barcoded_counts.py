"""Counts of barcodes: a matrix of 10x Genomics or a text table, by the spots of the section."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.count_table import read_count_table
from histoscribe.io.sections.spot_names import fit_barcodes
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.tenx import MATRIX, read_matrix
from histoscribe.types import Counts

_ZIPPED = (".h5.gz", ".hdf5.gz")
_HDF5 = b"\x89HDF\r\n\x1a\n"


def read_barcoded_counts(
    path: Path, spots: Sequence[str], genome: str | None = None
) -> tuple[Counts, tuple[str, ...], tuple[str, ...]]:
    """Read counts from `.h5`, an mtx folder or its matrix, or a table with barcodes on one side.

    Returns
    -------
    Counts, the spot of each row as `spots` names it (the barcode where no spot has it), and notes.
    `genome` chooses one of several. Barcodes may differ from the spots in what all of them begin or
    end with.
    """
    if path.name.endswith(_ZIPPED):
        raise DataContractError(_zipped(path))
    fit = partial(fit_barcodes, spots=spots)
    if _is_text(path):
        return read_count_table(path, fit, genome)
    counts, barcodes, notes = read_matrix(path, genome)
    found = fit(barcodes)
    if found.problem:
        raise broken(path, found.problem, "barcodes that fit the positions in one way")
    return counts, found.ids, (*notes, *found.notes)


def _zipped(path: Path) -> Problem:
    return Problem(
        where=str(path),
        found="a zipped HDF5 file",
        expected="a file whose parts can be read where they are",
        remedy=f"unpack it: gunzip {path.name}",
    )


def _is_text(path: Path) -> bool:
    """Whether a file is a table: neither HDF5 nor one of the three files of an mtx folder."""
    if path.is_dir() or path.name.removesuffix(".gz").endswith(MATRIX):
        return False
    with path.open("rb") as file:
        start = file.read(len(_HDF5))
    return start != _HDF5 and not path.name.endswith((".h5", ".hdf5"))
