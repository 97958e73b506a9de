"""Counts of genes, by ids without version suffixes, each gene once."""

import re

import numpy as np
import scipy.sparse as sp
from jaxtyping import Num

from histoscribe.io.sections.matrix_features import MatrixFeatures, genes_of
from histoscribe.types import Counts

MOST = np.iinfo(np.int32).max
"""Largest count accepted: it must fit the integer type of the counts."""
_VERSION = re.compile(r"^(ENS[A-Z]*G\d{11})\.\d+")


def are_counts(values: Num[np.ndarray, " stored"]) -> bool:
    """Whether all values are whole numbers from 0 to `MOST`."""
    within = np.isfinite(values) & (values >= 0) & (values <= MOST)
    return bool(within.all() and np.array_equal(values, np.rint(values)))


def plain_id(gene_id: str) -> str:
    """Gene id without the version of an Ensembl id.

    >>> plain_id("ENSG00000141510.16"), plain_id("RP11-34P13.7")
    ('ENSG00000141510', 'RP11-34P13.7')
    """
    return _VERSION.sub(r"\1", gene_id)


def counts_of(
    matrix: sp.csr_matrix, features: MatrixFeatures, where: str, genome: str | None = None
) -> tuple[Counts, tuple[str, ...]]:
    """Make counts of the genes among the features, by ids without the version of Ensembl.

    Features that are no genes, and the genes of other genomes than `genome` (see `genes_of`), are
    left out. Only Ensembl ids have versions: the clone symbols `RP11-34P13.7` and `RP11-34P13.8`
    are two genes. Columns that become the same gene are summed. A `gene_name` that equals its
    gene's id changes with the id. Stored zeros are removed, in place: a gene with a stored zero was
    not detected. Notes (second result) report what was left out and summed.
    """
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    genes = genes_of(matrix, features, where, genome)
    if len(genes.columns) < matrix.shape[1]:
        matrix = matrix[:, genes.columns]
    counts, notes = _each_once(matrix, genes.ids, genes.names)
    return counts, (*genes.notes, *notes)


def _each_once(
    matrix: sp.csr_matrix, gene_ids: tuple[str, ...], gene_names: tuple[str, ...]
) -> tuple[Counts, tuple[str, ...]]:
    """Counts by ids without version; columns of the same gene are summed."""
    ids = [plain_id(id_) for id_ in gene_ids]
    names = [
        id_ if name == given else name
        for id_, name, given in zip(ids, gene_names, gene_ids, strict=True)
    ]
    first = {id_: column for column, id_ in reversed(list(enumerate(ids)))}
    if len(first) == len(ids):
        return Counts(matrix, tuple(ids), tuple(names)), ()
    kept = sorted(first.values())
    row_of = {ids[column]: row for row, column in enumerate(kept)}
    ones = np.ones(len(ids), dtype=matrix.dtype)
    places = (np.arange(len(ids)), [row_of[id_] for id_ in ids])
    merge = sp.csr_matrix((ones, places), shape=(len(ids), len(kept)))
    note = f"{len(ids) - len(kept)} gene columns were summed with another of the same id"
    summed = Counts(
        sp.csr_matrix(matrix @ merge),
        tuple(ids[column] for column in kept),
        tuple(names[column] for column in kept),
    )
    return summed, (note,)
