"""An unfinished prediction on disk: values and evidence of each spot, in chunks."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.io.durable_zarr import DurableRows

CHUNK_ROWS = 128
"""Spots predicted together: a kill costs at most these. Results depend on it in their last bits."""


@final
class PredictionStore:
    """Rows of one slide in durable chunks: values [N, G], then further columns of each spot."""

    def __init__(self, rows: DurableRows, n_genes: int, spot_columns: Mapping[str, int]) -> None:
        self._rows, self._n_genes = rows, n_genes
        self._spot_columns = dict(spot_columns)

    @classmethod
    def open(
        cls, folder: Path, key: str, shape: tuple[int, int], spot_columns: Mapping[str, int]
    ) -> "PredictionStore":
        """Start or continue the prediction of one slide, identified by `key`.

        `shape` is spots and genes. `spot_columns` names further columns of each spot, and their
        number. Data in the folder under another key are removed.
        """
        name = f"{key}.zarr"
        if folder.is_dir():
            for other in folder.iterdir():
                if other.name != name:
                    shutil.rmtree(other)
        n_spots, n_genes = shape
        size = (n_spots, n_genes + sum(spot_columns.values()))
        rows = DurableRows.create(folder / name, size, CHUNK_ROWS, {})
        return cls(rows, n_genes, spot_columns)

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return self._rows.chunks

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every unfinished chunk."""
        return tuple(rows for rows in self.chunks if self._rows.read(rows) is None)

    def write(
        self,
        rows: slice,
        values: Float32[np.ndarray, "rows G"],
        spot_columns: Mapping[str, Float[np.ndarray, "rows _"]],
    ) -> None:
        """Write one chunk; a full disk is a DataContractError."""
        columns = [spot_columns[name].astype(np.float32) for name in self._spot_columns]
        self._rows.write(rows, np.concatenate([values, *columns], axis=1))

    def values(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Values of all spots, a chunk at a time."""
        return (self._read(rows)[:, : self._n_genes] for rows in self.chunks)

    def spot_columns(self) -> dict[str, Float32[np.ndarray, "N _"]]:
        """Further columns of all spots, by name."""
        ends = self._n_genes + np.cumsum(list(self._spot_columns.values()))
        parts = [self._read(rows)[:, self._n_genes :] for rows in self.chunks]
        columns = np.split(np.concatenate(parts), ends[:-1] - self._n_genes, axis=1)
        return dict(zip(self._spot_columns, columns, strict=True))

    def _read(self, rows: slice) -> Float32[np.ndarray, "rows width"]:
        chunk = self._rows.read(rows)
        if chunk is None:
            raise FileNotFoundError(
                f"rows of {self._rows.folder} were removed while they were read"
            )
        return chunk
