"""Predicted values of any tool: a table of spots and genes, before it is matched with a cohort."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float, Float32

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_section import open_anndata
from histoscribe.io.sections.delimited import cells_of, read_delimited, read_frame
from histoscribe.io.sections.table import some
from histoscribe.types import Prediction

SECTION = "section"
"""Column that names the section of each spot, unless the user names another."""
ENDINGS = (".h5ad", ".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz")
"""Endings of files that hold predictions."""
_XY = ("x", "y")
_IDS = "gene_ids"
_ABOUT = "histoscribe"

AnyTable: TypeAlias = ad.AnnData | pd.DataFrame | Prediction
"""A prediction in memory."""


@dataclass(frozen=True, eq=False)
class ValueTable:
    """Values of spots in rows and genes in columns, under the names of their author."""

    where: str
    """File or argument, for messages."""
    spots: tuple[str, ...]
    """Name of each row."""
    genes: tuple[str, ...]
    """Name of each column."""
    gene_ids: tuple[str, ...]
    """Id of each column; its name where the table has no ids."""
    values: Float32[np.ndarray, "N G"]
    sections: tuple[str, ...] | None
    """Section of each row; None if the table does not say."""
    xy: Float[np.ndarray, "N 2"] | None
    """Centre of each row in level-0 px, x before y; None if unknown."""
    unit: str | None = None
    """Unit that the table states."""


def is_table_file(path: Path) -> bool:
    """Whether the name of a file ends like one that holds predictions."""
    return path.name.lower().endswith(ENDINGS)


def table_stem(path: Path) -> str:
    """Name of a file without its endings.

    >>> table_stem(Path("runs/B1.csv.gz"))
    'B1'
    """
    ending = next((end for end in reversed(ENDINGS) if path.name.lower().endswith(end)), "")
    return path.name[: len(path.name) - len(ending)]


def read_value_table(path: Path, section_column: str = SECTION) -> ValueTable:
    """Read a prediction from AnnData (`.h5ad`) or a text table.

    A text table has spots in lines, their names in the first column, and a gene in each other one;
    columns `x` and `y` hold centres, and the column of sections names those.

    Raises
    ------
    DataContractError
        for a broken file, cells that are no numbers, and a gene that is named twice.
    """
    if path.name.lower().endswith(".h5ad"):
        return value_table_of(open_anndata(path), str(path), section_column)
    frame = read_frame(path)
    table = read_delimited(path)
    header = [name.strip() for name in cells_of(table.lines[0], table.separator)]
    if twice := [name for name, n in Counter(header[1:]).items() if n > 1]:
        raise DataContractError(_twice(str(path), "columns", twice))
    frame = frame.set_index(frame.columns[0])
    return value_table_of(frame, str(path), section_column)


def value_table_of(prediction: AnyTable, where: str, section_column: str = SECTION) -> ValueTable:
    """Take the values of a prediction in memory; `where` names it in messages.

    Raises DataContractError for values that are no numbers, and for AnnData without values.
    """
    if isinstance(prediction, Prediction):
        genes, spots = prediction.genes, prediction.spots
        return ValueTable(
            where=where,
            spots=spots.ids,
            genes=genes,
            gene_ids=genes,
            values=np.asarray(prediction.values, dtype=np.float32),
            sections=(prediction.section,) * len(spots),
            xy=spots.xy,
            unit=prediction.head.unit,
        )
    if isinstance(prediction, pd.DataFrame):
        return _of_frame(prediction, where, section_column)
    return _of_anndata(prediction, where, section_column)


def _of_anndata(data: ad.AnnData, where: str, section_column: str) -> ValueTable:
    if data.X is None:
        found, expected = "no values: X is missing", "predicted values in X"
        raise DataContractError(Problem(where, found, expected, "write the prediction to X"))
    values = data.X.toarray() if sp.issparse(data.X) else np.asarray(data.X)
    about = data.uns.get(_ABOUT, {})
    genes = tuple(data.var_names.astype(str))
    sections = None
    if section_column in data.obs:
        sections = tuple(data.obs[section_column].astype(str))
    elif "section" in about:
        sections = (str(about["section"]),) * data.n_obs
    xy = np.asarray(data.obsm.get("spatial", np.empty((0, 0))), dtype=np.float64)
    return ValueTable(
        where=where,
        spots=tuple(data.obs_names.astype(str)),
        genes=genes,
        gene_ids=tuple(data.var[_IDS].astype(str)) if _IDS in data.var else genes,
        values=values.astype(np.float32),
        sections=sections,
        xy=xy if xy.shape == (data.n_obs, 2) and np.isfinite(xy).all() else None,
        unit=str(about["unit"]) if "unit" in about else None,
    )


def _of_frame(frame: pd.DataFrame, where: str, section_column: str) -> ValueTable:
    facts = [name for name in (section_column, *_XY) if name in frame.columns]
    if not set(_XY) <= set(facts):
        facts = [name for name in facts if name not in _XY]  # one alone is a gene
    numbers = frame.drop(columns=facts)
    words = [str(name) for name, kind in numbers.dtypes.items() if kind.kind not in "fiub"]
    if words:
        raise DataContractError(
            Problem(
                where=where,
                found=f"{len(words)} columns that are no numbers: {some(words)}",
                expected="spots in rows and genes in columns, with numbers in all of them; the "
                f"section of each row, if given, in a column `{section_column}`",
                remedy="leave these columns out, or turn the table",
            )
        )
    genes = tuple(str(name) for name in numbers.columns)
    sections = None
    if section_column in facts:
        sections = tuple(frame[section_column].astype(str))
    return ValueTable(
        where=where,
        spots=tuple(str(name) for name in frame.index),
        genes=genes,
        gene_ids=genes,
        values=numbers.to_numpy(dtype=np.float32),
        sections=sections,
        xy=frame[list(_XY)].to_numpy(dtype=np.float64) if _XY[0] in facts else None,
    )


def _twice(where: str, what: str, names: Sequence[str]) -> Problem:
    found = f"{len(names)} {what} named twice: {some(names)}"
    return Problem(where, found, "each once", "leave one of the two out")
