"""Count matrices of 10x Genomics: HDF5 (layouts 2 and 3) and the folder of three text files."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.io
import scipy.sparse as sp

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.io.sections.table import broken, read_bytes
from histoscribe.types import Counts


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A matrix as stored: [A, N], genes in rows."""

    values: sp.csc_matrix
    barcodes: Sequence[str]
    gene_ids: Sequence[str]
    gene_names: Sequence[str]
    is_gene: np.ndarray
    """[A] False for antibody and other features."""


def read_matrix(path: Path) -> tuple[Counts, tuple[str, ...], tuple[str, ...]]:
    """Read an `.h5` file or an mtx folder of Space Ranger or Cell Ranger.

    Features that are no genes (antibodies) are left out. Returns counts, the barcode of each row,
    and notes.
    """
    stored = _read_folder(path) if path.is_dir() else _read_h5(path)
    shape = (len(stored.gene_ids), len(stored.barcodes))
    if stored.values.shape != shape:
        raise broken(path, f"a matrix of {stored.values.shape} for {shape}", "genes x barcodes")
    if len(set(stored.barcodes)) != len(stored.barcodes):
        raise broken(path, "barcodes repeat", "each barcode once")
    data = stored.values.data
    if data.size and (data.min() < 0 or not np.array_equal(data, np.rint(data))):
        raise broken(path, "negative values or fractions", "raw counts: whole numbers >= 0")
    genes = np.flatnonzero(stored.is_gene)
    ids, names = (
        [of[row] for row in genes.tolist()] for of in (stored.gene_ids, stored.gene_names)
    )
    matrix = sp.csr_matrix(stored.values[genes].T).astype(np.int32)
    counts, notes = counts_of(matrix, ids, names)
    if len(genes) < len(stored.gene_ids):
        notes += (f"{len(stored.gene_ids) - len(genes)} features that are no genes were left out",)
    return counts, tuple(stored.barcodes), notes


def _read_h5(path: Path) -> _Matrix:
    try:
        with h5py.File(path, "r") as file:
            if "matrix" in file:
                return _read_v3(file["matrix"])
            groups = [group for group in file.values() if "gene_names" in group]
            if len(groups) != 1:
                found = f"groups {', '.join(file)}"
                raise broken(path, found, "one group of a 10x count matrix")
            return _read_v2(groups[0])
    except (OSError, KeyError, ValueError) as error:
        raise broken(
            path, f"the file is truncated or no 10x matrix ({error})", "a complete 10x .h5 file"
        ) from error


def _read_v3(group: h5py.Group) -> _Matrix:
    features = group["features"]
    kinds = _words(features["feature_type"])
    return _Matrix(
        values=_sparse(group),
        barcodes=_words(group["barcodes"]),
        gene_ids=_words(features["id"]),
        gene_names=_words(features["name"]),
        is_gene=np.array([kind == "Gene Expression" for kind in kinds]),
    )


def _read_v2(group: h5py.Group) -> _Matrix:
    ids = _words(group["genes"])
    return _Matrix(
        values=_sparse(group),
        barcodes=_words(group["barcodes"]),
        gene_ids=ids,
        gene_names=_words(group["gene_names"]),
        is_gene=np.ones(len(ids), dtype=bool),
    )


def _sparse(group: h5py.Group) -> sp.csc_matrix:
    parts = (group["data"][()], group["indices"][()], group["indptr"][()])
    return sp.csc_matrix(parts, shape=tuple(group["shape"][()]))


def _words(values: h5py.Dataset) -> list[str]:
    return [value.decode() for value in values[()]]


def _read_folder(folder: Path) -> _Matrix:
    features = _lines(_member(folder, ("features.tsv", "genes.tsv")))
    barcodes = _lines(_member(folder, ("barcodes.tsv",)))[0]
    path = _member(folder, ("matrix.mtx",))
    try:
        values = scipy.io.mmread(BytesIO(read_bytes(path)))
    except (ValueError, StopIteration, OverflowError) as error:
        raise broken(path, f"not a matrix market file ({error})", "a complete file") from error
    kinds = features[2] if 2 in features else pd.Series("Gene Expression", features.index)
    return _Matrix(
        values=sp.csc_matrix(values),
        barcodes=barcodes.tolist(),
        gene_ids=features[0].tolist(),
        gene_names=features[1 if 1 in features else 0].tolist(),
        is_gene=(kinds == "Gene Expression").to_numpy(),
    )


def _member(folder: Path, names: Sequence[str]) -> Path:
    """File of the folder, zipped or not."""
    for name in names:
        for path in (folder / f"{name}.gz", folder / name):
            if path.is_file():
                return path
    raise DataContractError(
        Problem(
            where=str(folder),
            found=f"no {' or '.join(names)}",
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
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise broken(path, f"not a table ({error})", "tab-separated lines") from error
