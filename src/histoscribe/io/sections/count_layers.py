"""Counts of an AnnData: the matrix that holds whole numbers, and the ids of its genes."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.gene_ids import are_counts, counts_of
from histoscribe.io.sections.matrix_features import MatrixFeatures
from histoscribe.io.sections.sparse_arrays import sound_matrix
from histoscribe.io.sections.table import broken
from histoscribe.types import Counts

COLUMN = "layer"
"""Column of a manifest that names the matrix of counts: `X`, `raw` or a layer."""
_COUNTS = "counts"
_KINDS = ("feature_types", "feature_type", "feature_biotype")
"""Columns of `var` with the type of a feature: of scanpy, of 10x, of cellxgene."""
_SYMBOLS = ("feature_name", "gene_symbols", "gene_symbol", "gene_name", "gene_names", "symbol")
"""Columns of `var` with symbols, where its index has Ensembl ids: of cellxgene and others."""
_ENSEMBL = re.compile(r"ENS[A-Z]*G\d{11}(\.\d+)?")
_BLANK = frozenset({"", "nan", "none", "<na>"})


@dataclass(frozen=True, eq=False)
class CountLayer:
    """One matrix of an AnnData with the table of its genes."""

    name: str
    """As the manifest names it."""
    matrix: sp.csr_matrix
    var: pd.DataFrame

    @property
    def place(self) -> str:
        """Expression that reads this matrix from the AnnData."""
        return {"X": "X", "raw": "raw.X"}.get(self.name, f'layers["{self.name}"]')

    @property
    def holds_counts(self) -> bool:
        """Whether it has values, and all are whole numbers."""
        return bool(self.matrix.data.any()) and are_counts(self.matrix.data)


def raw_counts_of(
    path: Path, data: ad.AnnData, genome: str | None = None, layer: str | None = None
) -> tuple[Counts, tuple[str, ...]]:
    """Raw counts of the genes of an AnnData, with notes.

    They are in the matrix that `layer` names; else in `layers["counts"]`; else in `X`; and if `X`
    is normalised, in `raw.X` or a layer of another name, if just one holds whole numbers or all
    that do are equal. `genome` is the one to read if the file has genes of several.

    Raises
    ------
    DataContractError
        if no matrix holds counts, if several do and differ, or gene ids repeat.
    """
    counts, notes = _layer_of(path, data, layer)
    ids, names = _gene_ids(counts.var, data.var)
    if len(set(ids)) != len(ids):
        raise broken(path, "gene ids repeat", "each gene once (see var_names_make_unique)")
    features = MatrixFeatures(
        ids=ids,
        names=names,
        kinds=_column(counts.var, _KINDS),
        genomes=_column(counts.var, ("genome",)),
    )
    found, left_out = counts_of(counts.matrix.astype(np.int32), features, str(path), genome)
    return found, (*notes, *left_out)


def _layer_of(path: Path, data: ad.AnnData, name: str | None) -> tuple[CountLayer, tuple[str, ...]]:
    if name is not None:
        return _named(path, data, name), (f"counts: {COLUMN} {name}",)
    if _COUNTS in data.layers:
        return _named(path, data, _COUNTS), ()
    main = _of(data, "X")
    raw = _of(data, "raw") if data.raw is not None else None
    if main.holds_counts or (raw is None and not data.layers):
        if raw is not None and raw.holds_counts and not _agree(main, raw):
            raise DataContractError(_several(path, [main, raw]))
        return _checked(path, main), _more_genes(main, raw)
    others = [] if raw is None else [raw]
    others += [_of(data, layer) for layer in data.layers]
    sound = [layer for layer in others if layer.holds_counts]
    if not sound:
        return _checked(path, main), ()
    # the one with most genes: a spot's total is that of all genes measured
    best = max(sound, key=lambda layer: layer.matrix.shape[1])
    if not all(_agree(best, layer) for layer in sound):
        raise DataContractError(_several(path, sound))
    return best, (f"counts: {best.place}, whole numbers; X holds none",)


def _of(data: ad.AnnData, name: str) -> CountLayer:
    if name == "raw":
        return CountLayer(name, sound_matrix("raw.X", data.raw.X), data.raw.var)
    stored = data.X if name == "X" else data.layers[name]
    if stored is None:
        stored = sp.csr_matrix((data.n_obs, data.n_vars))
    return CountLayer(name, sound_matrix(name, stored), data.var)


def _named(path: Path, data: ad.AnnData, name: str) -> CountLayer:
    known = ["X", *(["raw"] if data.raw is not None else []), *data.layers]
    if name not in known:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"no layer {name!r}",
                expected=f"one of {', '.join(known)}",
                remedy=f"correct the column `{COLUMN}` of the manifest, or leave it empty",
            )
        )
    return _checked(path, _of(data, name))


def _checked(path: Path, layer: CountLayer) -> CountLayer:
    """Give the layer back if all its values are counts; zeros only are left to the filters."""
    if are_counts(layer.matrix.data):
        return layer
    raise DataContractError(
        Problem(
            where=f"{path}, {layer.place}",
            found="fractions, negatives, NaN or values too large: normalised values",
            expected="raw counts: whole numbers >= 0",
            remedy=f'keep the raw counts in layers["{_COUNTS}"], or name the matrix that holds '
            f"them in the column `{COLUMN}` of the manifest",
        )
    )


def _agree(one: CountLayer, other: CountLayer) -> bool:
    """Whether two matrices have the same counts of the genes that both have."""
    if not one.var.index.is_unique:
        return False
    columns = one.var.index.get_indexer(other.var.index)
    of_other = np.flatnonzero(columns >= 0)
    if not len(of_other):
        return False
    return (one.matrix[:, columns[of_other]] != other.matrix[:, of_other]).nnz == 0


def _more_genes(main: CountLayer, raw: CountLayer | None) -> tuple[str, ...]:
    if raw is None or not raw.holds_counts or raw.matrix.shape[1] <= main.matrix.shape[1]:
        return ()
    n_more = raw.matrix.shape[1] - main.matrix.shape[1]
    return (f"raw.X has counts of {n_more} more genes, which `{COLUMN} = raw` reads",)


def _several(path: Path, layers: Sequence[CountLayer]) -> Problem:
    held = ", ".join(f"{layer.place} (sum {layer.matrix.sum():.0f})" for layer in layers)
    return Problem(
        where=str(path),
        found=f"several matrices of whole numbers that differ: {held}",
        expected="one matrix of raw counts",
        remedy=f"name the raw counts in the column `{COLUMN}` of the manifest: "
        f"{' or '.join(layer.name for layer in layers)}",
    )


def _gene_ids(var: pd.DataFrame, of_x: pd.DataFrame) -> tuple[list[str], list[str]]:
    """Ids and symbols; the table of `raw` may leave symbols to that of `X`."""
    index = var.index.astype(str).tolist()
    if "gene_ids" in var:
        return _filled(var["gene_ids"].astype(str), index), index
    if sum(_ENSEMBL.fullmatch(name) is not None for name in index) <= len(index) / 2:
        return index, index
    for table in (var, of_x):
        if (symbols := _column(table, _SYMBOLS)) is not None:
            known = dict(zip(table.index.astype(str), symbols, strict=True))
            return index, _filled([known.get(name, "") for name in index], index)
    return index, index


def _filled(names: Iterable[str], others: Sequence[str]) -> list[str]:
    """Names of genes; the other name where one is missing."""
    pairs = zip(names, others, strict=True)
    return [other if name.lower() in _BLANK else name for name, other in pairs]


def _column(var: pd.DataFrame, names: Sequence[str]) -> list[str] | None:
    """Words of the first existing column; None without any."""
    name = next((name for name in names if name in var), None)
    return None if name is None else var[name].astype(str).tolist()
