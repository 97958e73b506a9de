"""Axes of AnnData: spots as rows of `obs`, genes as rows of `var`, under the names of scanpy."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Num

from histoscribe.types import Spots
from histoscribe.types.gene_labels import gene_labels

_ARRAY = ["array_row", "array_col"]
_IN_TISSUE = "in_tissue"
_IDS = "gene_ids"
_NAME = "gene_name"


def spot_axis(
    spots: Spots, facts: Mapping[str, Num[np.ndarray, " N"] | Bool[np.ndarray, " N"]]
) -> pd.DataFrame:
    """Table `obs`: `in_tissue`, row and column on the array if known, and these facts."""
    columns: dict[str, np.ndarray] = {_IN_TISSUE: np.ones(len(spots), dtype=np.int32)}
    if spots.array is not None:
        whole = np.array_equal(spots.array, np.rint(spots.array))
        array = spots.array.astype(np.int32) if whole else spots.array
        columns |= dict(zip(_ARRAY, array.T, strict=True))
    return pd.DataFrame({**columns, **facts}, index=pd.Index(spots.ids, dtype=object))


def array_in(table: pd.DataFrame) -> Float[np.ndarray, "N 2"] | None:
    """Array positions of the spots in `obs`, row and column; None where unknown."""
    if not {*_ARRAY} <= {*table}:
        return None
    return table[_ARRAY].to_numpy(dtype=np.float64)


def spot_facts_in(table: pd.DataFrame) -> dict[str, Float[np.ndarray, " N"]]:
    """Facts of the spots in `obs`, by name."""
    return _numbers(table.drop(columns=[_IN_TISSUE, *_ARRAY], errors="ignore"))


def gene_axis(
    genes: tuple[str, ...],
    names: tuple[str, ...] = (),
    facts: Mapping[str, Float[np.ndarray, " G"]] | None = None,
) -> pd.DataFrame:
    """Table `var`: the display name of each gene as its index, its id, symbol and facts.

    The symbol, which may repeat, is left out if unknown.
    """
    index = pd.Index(gene_labels(genes, names or genes), dtype=object)
    # objects, because pandas 3 would use its string type, which anndata cannot write
    table = pd.DataFrame({_IDS: pd.Series(genes, index=index, dtype=object)})
    if names:
        table[_NAME] = pd.Series(names, index=index, dtype=object)
    return table.assign(**(facts or {}))


def genes_in(table: pd.DataFrame) -> tuple[str, ...]:
    """Gene ids in `var`; a file of an older version has them as its index."""
    return tuple(str(gene) for gene in table.get(_IDS, table.index))


def gene_names_in(table: pd.DataFrame) -> tuple[str, ...]:
    """Symbols in `var`; empty if unknown."""
    return tuple(table[_NAME].astype(str)) if _NAME in table else ()


def gene_facts_in(table: pd.DataFrame) -> dict[str, Float[np.ndarray, " G"]]:
    """Facts of the genes in `var`, by name."""
    return _numbers(table.drop(columns=[_IDS, _NAME], errors="ignore"))


def _numbers(table: pd.DataFrame) -> dict[str, np.ndarray]:
    numbers = table.select_dtypes(["number", "bool"])
    return {str(name): numbers[name].to_numpy(dtype=np.float64) for name in numbers}
