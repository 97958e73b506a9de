"""What every reader of AnnData needs: raw counts with gene ids, and which spots are in tissue."""

from pathlib import Path

import anndata as ad
import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.genes import counts_of
from histoscribe.io.table import broken
from histoscribe.types import Counts


def raw_counts(path: Path, data: ad.AnnData) -> tuple[Counts, tuple[str, ...]]:
    """Take raw counts from `layers["counts"]`, else from `X`; also gives notes.

    Gene ids are `var["gene_ids"]` where that column exists, and symbols are the names of `var`.
    Raises DataContractError for values that are no counts, and for gene ids that repeat.
    """
    place = 'layers["counts"]' if "counts" in data.layers else "X"
    stored = data.layers.get("counts", data.X)
    matrix = sp.csr_matrix(stored if stored is not None else (data.n_obs, data.n_vars))
    values = matrix.data
    if not np.isfinite(values).all() or (values < 0).any() or (values != np.rint(values)).any():
        raise DataContractError(
            Problem(
                where=f"{path}, {place}",
                found="fractions, negatives or NaN: normalised values",
                expected="raw counts: whole numbers >= 0",
                remedy='keep the raw counts in layers["counts"]',
            )
        )
    names = data.var_names.astype(str).tolist()
    ids = data.var["gene_ids"].astype(str).tolist() if "gene_ids" in data.var else names
    if len(set(ids)) != len(ids):
        raise broken(path, "gene ids repeat", "each gene once (see var_names_make_unique)")
    return counts_of(matrix.astype(np.int32), ids, names)


def in_tissue(data: ad.AnnData) -> Bool[np.ndarray, " N"]:
    """Which spots `obs["in_tissue"]` calls covered; all of them where it has no such column."""
    if "in_tissue" not in data.obs:
        return np.ones(data.n_obs, dtype=bool)
    return data.obs["in_tissue"].astype(int).to_numpy() == 1
