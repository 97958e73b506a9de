"""Table of the spots of a Visium section, in the layouts of Space Ranger, R and spreadsheets."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.io.files import read_bytes
from histoscribe.io.sections.delimited import cells_of, flags_of, read_delimited, read_frame
from histoscribe.io.sections.parquet_table import PARQUET
from histoscribe.io.sections.table import broken, some

_COLUMNS = (
    "barcode",
    "in_tissue",
    "array_row",
    "array_col",
    "pxl_row_in_fullres",
    "pxl_col_in_fullres",
)
_SEURAT = {
    "tissue": "in_tissue",
    "row": "array_row",
    "col": "array_col",
    "imagerow": "pxl_row_in_fullres",
    "imagecol": "pxl_col_in_fullres",
}
"""Names that Seurat gives the columns of Space Ranger."""


@dataclass(frozen=True, eq=False)
class VisiumPositions:
    """Spots as Space Ranger placed them on the full-resolution image."""

    barcodes: tuple[str, ...]
    in_tissue: Bool[np.ndarray, " N"]
    xy: Float[np.ndarray, "N 2"]
    """Px of the full-resolution image."""
    array: Float[np.ndarray, "N 2"]
    """Row and column."""
    notes: tuple[str, ...]

    def take(self, rows: Int[np.ndarray, " rows"]) -> "VisiumPositions":
        """Subset of these spots."""
        return replace(
            self,
            barcodes=tuple(self.barcodes[row] for row in rows),
            in_tissue=self.in_tissue[rows],
            xy=self.xy[rows],
            array=self.array[rows],
        )


def read_visium_positions(path: Path) -> VisiumPositions:
    """Read positions with or without a header; lines may begin with their number.

    Raises
    ------
    DataContractError
        for missing columns, gaps, words for numbers, repeated barcodes, and an `in_tissue` that is
        neither yes nor no.
    """
    table = _table(path)
    missing = [name for name in _COLUMNS if name not in table.columns]
    if missing:
        found = f"no column {', '.join(missing)}; it has {some(list(map(str, table.columns)))}"
        raise broken(path, found, ", ".join(_COLUMNS))
    # row before column: y comes first in the file
    places = table[["pxl_col_in_fullres", "pxl_row_in_fullres", "array_row", "array_col"]]
    numbers = places.apply(pd.to_numeric, errors="coerce").to_numpy(np.float64)
    barcodes = tuple(table["barcode"].astype(str))
    if not np.isfinite(numbers).all() or len(set(barcodes)) != len(barcodes) or len(numbers) < 2:
        raise broken(path, "gaps, repeated barcodes or fewer than two spots", "one line a barcode")
    xy, array = np.ascontiguousarray(numbers[:, :2]), np.ascontiguousarray(numbers[:, 2:])
    notes = tuple(table.attrs.get("notes", ()))
    return VisiumPositions(barcodes, flags_of(path, table["in_tissue"]), xy, array, notes)


def _table(path: Path) -> pd.DataFrame:
    if read_bytes(path).startswith(PARQUET):
        need("pyarrow", "parquet", f"reading {path}")
        try:
            return pd.read_parquet(BytesIO(read_bytes(path)))
        except (ValueError, OSError) as error:
            raise broken(path, f"not a table ({error})", ", ".join(_COLUMNS)) from error
    text = read_delimited(path)
    first, *rest = (cells_of(line, text.separator) for line in text.lines[:3])
    # Space Ranger 2 gave the file a header and another name; copies mix the two, so the content
    # decides: only a header has the names
    if any(_plain(name) in (*_COLUMNS, *_SEURAT) for name in first):
        table = read_frame(path)
        table.columns = [_plain(name) for name in table.columns]
        if "barcode" not in table:
            _name_barcodes(table)
        return _in_words_of_space_ranger(path, table)
    extra = len(first) - len(_COLUMNS)
    numbered = extra == 1 and all(cells[0].strip().isdigit() for cells in (first, *rest))
    if extra and not numbered:
        raise DataContractError(_no_header(path, first))
    table = read_frame(path, header=("", *_COLUMNS) if numbered else _COLUMNS)
    return table


def _plain(name: str) -> str:
    return name.strip().strip('"').casefold()


def _name_barcodes(table: pd.DataFrame) -> None:
    """Name the column of barcodes where it has no name: row names of R, or the index of pandas."""
    unnamed = [name for name in table.columns if name.startswith("unnamed:")]
    words = [name for name in unnamed if not pd.api.types.is_numeric_dtype(table[name])]
    if len(words) == 1:
        table.rename(columns={words[0]: "barcode"}, inplace=True)


def _in_words_of_space_ranger(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    seurat = {name: plain for name, plain in _SEURAT.items() if name in table}
    if seurat.keys() != _SEURAT.keys() or set(_SEURAT.values()) & set(table):
        return table
    notes = (*table.attrs["notes"], f"{path.name}: columns named as in Seurat")
    table = table.rename(columns=seurat)
    table.attrs["notes"] = notes
    return table


def _no_header(path: Path, first: Sequence[str]) -> Problem:
    return Problem(
        where=str(path),
        found=f"{len(first)} columns without a header: {some(list(first))}",
        expected=f"a header with {', '.join(_COLUMNS)}, or these {len(_COLUMNS)} columns",
        remedy="give the file as Space Ranger writes it, or write the header above it",
    )
