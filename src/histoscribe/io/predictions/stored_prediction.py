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
from jaxtyping import Float32, UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.predictions.anndata import about_in, head_in
from histoscribe.io.sections.spatialdata_store import check_zarr
from histoscribe.io.slides.zarr_slide import UNREADABLE, damaged
from histoscribe.types import Head
from histoscribe.types.prediction import MEASURED

EXPECTED = "a prediction that `histoscribe predict` wrote: .h5ad, or .zarr of SpatialData"
_PARTS = ("obs", "var", "uns", "obsm")
_BLOCK_BYTES = 1 << 25
"""Size of a block of values: an array of 100,000 spots and 2,000 genes has 25."""


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """Picture of the slide that a prediction file holds."""

    pixels: UInt8[np.ndarray, "height width 3"]
    scale: float
    """Px of the picture per level-0 px."""


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

    def predicted(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Predicted values, some rows at a time."""
        return self._blocks("X")

    def measured(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Measured values, in the same blocks of rows."""
        return self._blocks(f"layers/{MEASURED}")

    def _blocks(self, name: str) -> Iterator[Float32[np.ndarray, "rows G"]]:
        n_spots, n_genes = self.head.shape
        n_rows = max(1, _BLOCK_BYTES // (4 * max(n_genes, 1)))
        with _opened(self.path, self.table) as group:
            values = group[name]
            for start in range(0, n_spots, n_rows):
                yield np.asarray(values[start : start + n_rows], dtype=np.float32)


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
    return StoredPrediction(
        path=path,
        head=head,
        mpp=float(about["mpp"]) if "mpp" in about else None,
        picture=_picture(parts["uns"].get("spatial", {}), head.section),
        measured_unit=str(about["measured_unit"]) if MEASURED in layers else None,
        table=table,
    )


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
    names = sorted(table.name for table in (path / "tables").glob("*_expression"))
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


def _picture(spatial: Mapping[str, Any], section: str) -> StoredPicture | None:
    """The larger of the two pictures of a slide that `to_anndata` keeps."""
    if section not in spatial:
        return None
    of = spatial[section]
    pixels = np.asarray(of["images"]["hires"], dtype=np.uint8)
    return StoredPicture(pixels, float(of["scalefactors"]["tissue_hires_scalef"]))
