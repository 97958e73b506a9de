"""Count matrices of 10x Genomics: HDF5 (layouts 2 and 3) and the folder of three text files."""

from collections.abc import Sequence
from dataclasses import dataclass
from glob import escape
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_bytes
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.sections.gene_ids import are_counts, counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.sparse_arrays import matrix_of_parts, sound_matrix
from histoscribe.io.sections.table import broken
from histoscribe.types import Counts

_GENES_BY_SPOTS = "genes x barcodes"
MATRIX = "matrix.mtx"
"""File of the counts in an mtx folder."""


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A matrix as stored: [A, N], genes in rows."""

    values: sp.csc_matrix
    barcodes: Sequence[str]
    features: MatrixFeatures


def read_matrix(
    path: Path, genome: str | None = None
) -> tuple[Counts, tuple[str, ...], tuple[str, ...]]:
    """Read an `.h5` file or an mtx folder of Space Ranger or Cell Ranger, or its matrix.

    The files of an mtx folder may have a sample's name in front, if all three have it.

    Features that are no genes (antibodies) are left out. `genome` is the one to read if the file
    has genes of several. Returns counts, the barcode of each row, and notes.
    """
    is_text = path.is_dir() or path.name.removesuffix(".gz").endswith(MATRIX)
    stored = _read_folder(path) if is_text else _read_h5(path, genome)
    shape = (len(stored.features.ids), len(stored.barcodes))
    if stored.values.shape != shape:
        raise broken(path, f"a matrix of {stored.values.shape} for {shape}", _GENES_BY_SPOTS)
    if len(set(stored.barcodes)) != len(stored.barcodes):
        raise broken(path, "barcodes repeat", "each barcode once")
    values = sound_matrix(path, stored.values.T)
    if not are_counts(values.data):
        found = "fractions, negatives, NaN or values too large for a count"
        raise broken(path, found, "raw counts: whole numbers >= 0")
    counts, notes = counts_of(values.astype(np.int32), stored.features, str(path), genome)
    return counts, tuple(stored.barcodes), notes


def features_of(group: h5py.Group) -> MatrixFeatures:
    """Features as a matrix in layout 3 lists them."""
    return MatrixFeatures(
        ids=_words(group["id"]),
        names=_words(group["name"]),
        kinds=_words(group["feature_type"]),
        genomes=_words(group["genome"]) if "genome" in group else None,
    )


def _read_h5(path: Path, genome: str | None) -> _Matrix:
    with opened_hdf5(path, "a complete 10x .h5 file") as file:
        if "matrix" in file:
            return _read_v3(path, file["matrix"])
        groups = {name: group for name, group in file.items() if "gene_names" in group}
        if len(groups) > 1 and genome in groups:
            return _read_v2(path, groups[genome])
        if len(groups) != 1:
            raise DataContractError(_several(path, tuple(file), tuple(groups)))
        return _read_v2(path, *groups.values())


def _several(path: Path, names: tuple[str, ...], genomes: tuple[str, ...]) -> Problem:
    return Problem(
        where=str(path),
        found=f"groups {', '.join(names)}",
        expected="one group of a 10x count matrix",
        remedy=f"name one in the column `genome` of the manifest: {' or '.join(genomes)}"
        if genomes
        else "give the .h5 of counts that Space Ranger wrote",
    )


def _read_v3(path: Path, group: h5py.Group) -> _Matrix:
    return _Matrix(
        values=_sparse(path, group),
        barcodes=_words(group["barcodes"]),
        features=features_of(group["features"]),
    )


def _read_v2(path: Path, group: h5py.Group) -> _Matrix:
    return _Matrix(
        values=_sparse(path, group),
        barcodes=_words(group["barcodes"]),
        features=MatrixFeatures(ids=_words(group["genes"]), names=_words(group["gene_names"])),
    )


def _sparse(path: Path, group: h5py.Group) -> sp.csc_matrix:
    parts = (group["data"][()], group["indices"][()], group["indptr"][()])
    shape = tuple(int(side) for side in group["shape"][()])
    return matrix_of_parts(f"{path}, {group.name}", parts, shape, rows=False)


def _words(values: h5py.Dataset) -> list[str]:
    return [value.decode() for value in values[()]]


def _read_folder(place: Path) -> _Matrix:
    path = place if place.is_file() else _member(place, "*", (MATRIX,))
    sample = path.name.removesuffix(".gz").removesuffix(MATRIX)
    features = _lines(_member(path.parent, escape(sample), ("features.tsv", "genes.tsv")))
    barcodes = _lines(_member(path.parent, escape(sample), ("barcodes.tsv",)))[0]
    values = _matrix_market(path, (len(features), len(barcodes)))
    return _Matrix(
        values=sp.csc_matrix(values),
        barcodes=barcodes.tolist(),
        features=MatrixFeatures(
            ids=features[0].tolist(),
            names=features[1 if 1 in features else 0].tolist(),
            kinds=features[2].tolist() if 2 in features else None,
        ),
    )


def _matrix_market(path: Path, shape: tuple[int, int]) -> sp.coo_matrix:
    """Read a sparse Matrix Market file whose header states this shape.

    SciPy's own parser reads beyond the end of damaged text, which ends the process.
    """
    raw = read_bytes(path)
    try:
        *sides, n_stored, form, _, symmetry = scipy.io.mminfo(BytesIO(raw))
        if (form, symmetry) != ("coordinate", "general"):
            raise broken(
                path, f"a {symmetry} {form} matrix", "one in the form `coordinate general`"
            )
        if tuple(sides) != shape:
            raise broken(path, f"a matrix of {tuple(sides)} for {shape}", _GENES_BY_SPOTS)
        # the line of sizes is the first that is no comment
        table = pd.read_csv(
            BytesIO(raw), sep=r"\s+", comment="%", header=None, dtype=np.float64
        ).to_numpy()[1:]
    except (ValueError, TypeError, StopIteration, ArithmeticError, LookupError) as error:
        raise broken(path, f"not a matrix market file ({error})", "a complete file") from error
    if len(table) != n_stored or table.shape[1] != 3:
        found = f"{len(table)} entries of {table.shape[1]} numbers, and {n_stored} in its header"
        raise broken(path, found, "a row, a column and a count a line, to the end")
    place = table[:, :2] - 1
    if not ((place >= 0) & (place < shape) & (place == np.rint(place))).all():
        raise broken(path, "entries outside the matrix", f"places in 1..{shape[0]}, 1..{shape[1]}")
    row, column = place.astype(np.int64).T
    return sp.coo_matrix((table[:, 2], (row, column)), shape=shape)


def _member(folder: Path, sample: str, names: Sequence[str]) -> Path:
    """File of the folder, zipped or not, with this beginning (a pattern) of its name."""
    for name in names:
        for end in (f"{name}.gz", name):
            if (folder / end).is_file() and sample == "*":
                return folder / end
            found = [path for path in sorted(folder.glob(f"{sample}{end}")) if path.is_file()]
            if len(found) == 1:
                return found[0]
    raise DataContractError(
        Problem(
            where=str(folder),
            found=f"no {' or '.join(names)}" + ("" if sample == "*" else f" named {sample}..."),
            expected="matrix.mtx, barcodes.tsv and features.tsv (or genes.tsv), zipped or not",
            remedy="copy the whole folder",
        )
    )


def _lines(path: Path) -> pd.DataFrame:
    """Read tab-separated text without a header; `NA` is a gene name, not a gap."""
    try:
        return pd.read_csv(
            BytesIO(read_bytes(path)), sep="\t", header=None, dtype=str, keep_default_na=False
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        raise broken(path, f"not a table ({error})", "tab-separated lines") from error
