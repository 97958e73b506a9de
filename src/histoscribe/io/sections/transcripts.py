"""Transcripts of Xenium, summed into squares while the file is read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float

from histoscribe.extras import need
from histoscribe.io.files import check_file
from histoscribe.io.sections.parquet_table import check_columns, words_of
from histoscribe.io.sections.pooling import squares_of
from histoscribe.io.sections.table import broken, some

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_QV = 20
"""Least Phred-scaled quality of a transcript: that of the cell matrix of 10x Genomics."""
_COLUMNS = ("feature_name", "x_location", "y_location", "qv")
_BATCH = 1 << 20  # transcripts at a time, about 50 MB


@dataclass(frozen=True, eq=False)
class SquareTranscripts:
    """Transcripts of genes by square; a square is in several rows, one for each batch with it."""

    um: Float[np.ndarray, "M 2"]
    """Centre of the square of each row, in um."""
    counts: sp.csr_matrix
    """[M, A] transcripts of each gene."""
    n_low: int
    """Transcripts of genes below `LEAST_QV`, which were left out."""
    n_other: int
    """Transcripts of controls and of codewords without a gene, which were left out."""


def square_transcripts(path: Path, genes: Sequence[str], pool_um: float) -> SquareTranscripts:
    """Count transcripts of qv 20 or more in squares of `pool_um`, counted from 0 um.

    The file is read by batches of its row groups, so memory does not grow with it.
    `genes` are names as the file has them, in the order of the columns of the result.

    Raises
    ------
    DataContractError
        if the file is damaged, or no transcript of a gene is in it.
    """
    if len(set(genes)) != len(genes):
        raise broken(path, "two genes of the panel share a name", "each name once")
    check_file(path)
    column_of = pd.Series(np.arange(len(genes)), index=list(genes))
    parts = [_part(path, table, column_of, pool_um) for table in _tables(path)]
    um = [part.um for part in parts]
    if not sum(map(len, um)):
        raise broken(
            path,
            f"no transcript of qv {LEAST_QV} or more is of a gene of the panel, e.g. "
            f"{some(list(genes))}",
            "transcripts of the genes in the cell matrix",
        )
    return SquareTranscripts(
        np.concatenate(um),
        sp.csr_matrix(sp.vstack([part.counts for part in parts], format="csr")),
        sum(part.n_low for part in parts),
        sum(part.n_other for part in parts),
    )


def _tables(path: Path) -> Iterator["pa.Table"]:
    """Batches of the file with the columns that count."""
    arrow = need("pyarrow", "parquet", f"reading {path}")
    parquet = need("pyarrow.parquet", "parquet", f"reading {path}")
    try:
        with parquet.ParquetFile(path) as file:
            check_columns(path, file.schema_arrow.names, _COLUMNS)
            for batch in file.iter_batches(_BATCH, columns=list(_COLUMNS), use_threads=False):
                yield arrow.Table.from_batches([batch])
    except (ValueError, OSError) as error:
        raise broken(path, f"not a table ({error})", ", ".join(_COLUMNS)) from error


def _part(
    path: Path, table: "pa.Table", column_of: "pd.Series[int]", pool_um: float
) -> SquareTranscripts:
    code, names = pd.factorize(table["feature_name"].to_pandas())
    column = column_of.reindex(words_of(pd.Series(names, dtype=object))).fillna(-1).to_numpy(int)
    gene = np.where(code >= 0, np.append(column, -1)[code], -1)
    um = np.column_stack(
        [table[name].to_numpy().astype(np.float64) for name in ("x_location", "y_location")]
    )
    if not np.isfinite(um).all():
        raise broken(path, "transcripts without a place", "x_location and y_location in um")
    is_low = ~(table["qv"].to_numpy() >= LEAST_QV)  # a missing quality is low, too
    keep = (gene >= 0) & ~is_low
    grid, row, _ = squares_of(um[keep], pool_um, np.ones(int(keep.sum()), dtype=bool))
    ones = np.ones(len(row), dtype=np.int32)
    counts = sp.csr_matrix((ones, (row, gene[keep])), shape=(len(grid), len(column_of)))
    return SquareTranscripts(
        (grid[:, ::-1] + 0.5) * pool_um,
        counts,
        int((is_low & (gene >= 0)).sum()),
        int((gene < 0).sum()),
    )
