"""Table of the bins of a Visium HD section; that of 2 um bins has 11 million lines."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.io.files import check_file
from histoscribe.io.sections.parquet_table import PARQUET, read_parquet
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.visium_positions import read_visium_positions

_COLUMNS = ("in_tissue", "array_row", "array_col", "pxl_row_in_fullres", "pxl_col_in_fullres")


@dataclass(frozen=True, eq=False)
class BinPositions:
    """Bins as Space Ranger placed them on the full-resolution image."""

    array: Int[np.ndarray, "N 2"]
    """Row and column."""
    in_tissue: Bool[np.ndarray, " N"]
    xy: Float[np.ndarray, "N 2"]
    """Px of the full-resolution image."""

    def rows_of(self, array: Int[np.ndarray, "M 2"]) -> Int[np.ndarray, " M"]:
        """Line of each bin, by row and column; -1 for bins missing from the table."""
        shape = self.array.max(axis=0) + 1
        line = np.full(shape, -1, dtype=np.int32)
        line[tuple(self.array.T)] = np.arange(len(self.array), dtype=np.int32)
        inside = (array < shape).all(axis=1)
        lines = np.full(len(array), -1, dtype=np.int64)
        lines[inside] = line[tuple(array[inside].T)]
        return lines


def read_bin_positions(path: Path) -> BinPositions:
    """Read rows, columns and places of all bins; barcodes say no more, and are left out.

    Raises
    ------
    DataContractError
        for missing columns, gaps, places twice, rows and columns that are no whole numbers from 0,
        and an `in_tissue` other than 0 and 1.
    """
    check_file(path, "a table of positions")
    with path.open("rb") as file:
        is_parquet = file.read(len(PARQUET)) == PARQUET
    if not is_parquet:
        text = read_visium_positions(path)
        return _checked(path, text.in_tissue.astype(np.float64), text.array, text.xy)
    table = read_parquet(path, _COLUMNS)
    try:
        columns = {name: table.pop(name).to_numpy(np.float64) for name in _COLUMNS}
    except (ValueError, TypeError) as error:
        raise broken(path, f"not a table of numbers ({error})", ", ".join(_COLUMNS)) from error
    array = np.column_stack([columns["array_row"], columns["array_col"]])
    # row before column: y comes first in the file
    xy = np.column_stack([columns["pxl_col_in_fullres"], columns["pxl_row_in_fullres"]])
    return _checked(path, columns["in_tissue"], array, xy)


def _checked(
    path: Path,
    in_tissue: Float[np.ndarray, " N"],
    array: Float[np.ndarray, "N 2"],
    xy: Float[np.ndarray, "N 2"],
) -> BinPositions:
    most = np.iinfo(np.int32).max
    whole = len(array) > 1 and np.isfinite(array).all() and array.min() >= 0
    if not whole or array.max() > most or not np.array_equal(array, np.rint(array)):
        raise broken(path, "rows and columns that are no whole numbers from 0", "one line a bin")
    if not np.isfinite(xy).all() or not np.isin(in_tissue, (0.0, 1.0)).all():
        raise broken(path, "gaps, or in_tissue other than 0 and 1", "one line a bin")
    grid = array.astype(np.int64)
    n_places = int((grid[:, 0].max() + 1) * (grid[:, 1].max() + 1))
    if n_places > 100 * len(grid) + 1_000_000:
        raise broken(path, f"rows and columns up to {grid.max()}, in {len(grid)} lines", "an array")
    taken = np.zeros(n_places, dtype=bool)
    taken[grid[:, 0] * (grid[:, 1].max() + 1) + grid[:, 1]] = True
    if taken.sum() < len(grid):
        raise broken(path, "two bins in one row and column", "one line a bin")
    return BinPositions(grid, in_tissue == 1, np.ascontiguousarray(xy))
