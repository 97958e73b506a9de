"""A prediction in its file: everything but the values is read, the values in blocks of rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anndata as ad
import numpy as np
import zarr
from anndata.io import read_elem
from jaxtyping import Float32

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.predictions.anndata import about_in, head_in
from histoscribe.io.predictions.stored_picture import StoredPicture, picture_in_uns, picture_in_zarr
from histoscribe.io.sections.spatialdata_store import check_zarr
from histoscribe.io.slides.zarr_slide import UNREADABLE, damaged
from histoscribe.types import Head
from histoscribe.types.prediction import MEASURED

EXPECTED = "a prediction that `histoscribe predict` wrote: .h5ad, or .zarr of SpatialData"
_PARTS = ("obs", "var", "uns", "obsm")
_TABLE = "_expression"
"""End of the name of the table of a prediction in SpatialData."""
_BLOCK_BYTES = 1 << 25
"""Size of a block of values: an array of 100,000 spots and 2,000 genes has 25."""


@dataclass(frozen=True, eq=False)
class StoredPrediction:
    """A prediction in its file."""

    path: Path
    head: Head
    mpp: float | None
    """um per level-0 px; None if the file does not say."""
    picture: StoredPicture | None
    measured_unit: str | None
    """Unit of the measured values; None without any."""
    table: str
    """Place of the table in a zarr folder; empty in an h5ad file."""

    @property
    def row_blocks(self) -> tuple[slice, ...]:
        """Rows of each block."""
        n_spots, n_genes = self.head.shape
        n_rows = max(1, _BLOCK_BYTES // (4 * max(n_genes, 1)))
        return tuple(slice(start, start + n_rows) for start in range(0, n_spots, n_rows))

    def predicted(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Predicted values, some rows at a time."""
        return self._blocks("X")

    def measured(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Measured values, in the same blocks of rows."""
        return self._blocks(f"layers/{MEASURED}")

    def _blocks(self, name: str) -> Iterator[Float32[np.ndarray, "rows G"]]:
        with _opened(self.path, self.table) as group:
            values = group[name]
            for rows in self.row_blocks:
                yield np.asarray(values[rows], dtype=np.float32)


def open_prediction(path: Path) -> StoredPrediction:
    """Open an `.h5ad` file or a SpatialData folder of `predict`; the values stay on disk.

    Raises
    ------
    DataContractError
        for a file that is damaged, or no prediction of histoscribe.
    """
    table = _table_of(path) if path.is_dir() else ""
    with _opened(path, table) as group:
        parts = {name: read_elem(group[name]) for name in _PARTS if name in group}
        layers = set(group.get("layers", ()))
        values = group.get("X")
        is_prediction = "histoscribe" in parts.get("uns", {}) and hasattr(values, "shape")
        if not is_prediction or "predictor" not in parts["uns"]["histoscribe"]:
            raise DataContractError(
                Problem(
                    where=str(path),
                    found="no prediction: histoscribe did not write it, or it holds counts",
                    expected=EXPECTED,
                    remedy="predict the slide, and give the file that `predict` names",
                )
            )
        data = ad.AnnData(**parts)
        head, about = head_in(data), about_in(data)
    picture = _picture(path, table, parts)
    of_picture = None if picture is None else picture.mpp
    return StoredPrediction(
        path=path,
        head=head,
        mpp=float(about["mpp"]) if "mpp" in about else of_picture,
        picture=picture,
        measured_unit=str(about["measured_unit"]) if MEASURED in layers else None,
        table=table,
    )


def is_zarr(path: Path) -> bool:
    """Whether a folder is one of zarr 3, as SpatialData writes it."""
    return (path / "zarr.json").is_file()


@contextmanager
def _opened(path: Path, table: str) -> Iterator[Any]:
    """The group of the table, in either format."""
    if not table:
        with opened_hdf5(path, EXPECTED) as file:
            yield file
        return
    try:
        yield zarr.open_group(path, mode="r")[table]
    except UNREADABLE as error:
        raise damaged(path, error) from error


def _table_of(path: Path) -> str:
    """Place of the table of a prediction in a SpatialData folder."""
    check_zarr(path)
    names = sorted(table.name for table in (path / "tables").glob(f"*{_TABLE}"))
    if len(names) != 1:
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"{len(names)} tables of predicted expression",
                expected=EXPECTED,
                remedy="give a folder that `histoscribe predict --spatialdata` wrote",
            )
        )
    return f"tables/{names[0]}"


def _picture(path: Path, table: str, parts: Mapping[str, Any]) -> StoredPicture | None:
    """Picture of the slide in a file of either format."""
    if table:
        name = table.removeprefix("tables/").removesuffix(_TABLE)
        return picture_in_zarr(path / "images" / f"{name}_image")
    section = str(parts["uns"]["histoscribe"]["section"])
    return picture_in_uns(parts["uns"].get("spatial", {}), section)
