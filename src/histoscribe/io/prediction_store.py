"""A prediction while it is made: values and distance of each spot on disk, by chunk."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.io.durable_zarr import DurableRows

CHUNK_ROWS = 128
"""Spots predicted together: what a kill can cost. Results depend on it in their last bits."""


@final
class PredictionStore:
    """Rows of one slide, durable by chunk: values [N, G], then the distance to the training."""

    def __init__(self, rows: DurableRows) -> None:
        self._rows = rows

    @classmethod
    def open(cls, folder: Path, key: str, shape: tuple[int, int]) -> "PredictionStore":
        """Begin or go on; `key` says what is predicted, from what and where.

        `shape` is spots and genes. What the folder holds under another key is removed.
        """
        name = f"{key}.zarr"
        if folder.is_dir():
            for other in folder.iterdir():
                if other.name != name:
                    shutil.rmtree(other)
        n_spots, n_genes = shape
        return cls(DurableRows.create(folder / name, (n_spots, n_genes + 1), CHUNK_ROWS, {}))

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return self._rows.chunks

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every chunk that is not done."""
        return tuple(rows for rows in self.chunks if self._rows.read(rows) is None)

    def write(
        self,
        rows: slice,
        values: Float32[np.ndarray, "rows G"],
        distance: Float[np.ndarray, " rows"],
    ) -> None:
        """Write one chunk; a full disk is a DataContractError."""
        column = distance.astype(np.float32)[:, None]
        self._rows.write(rows, np.concatenate([values, column], axis=1))

    def values(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Values of all spots, a chunk at a time."""
        return (self._read(rows)[:, :-1] for rows in self.chunks)

    def distance(self) -> Float32[np.ndarray, " N"]:
        """Distance of all spots to the training."""
        return np.concatenate([self._read(rows)[:, -1] for rows in self.chunks])

    def _read(self, rows: slice) -> Float32[np.ndarray, "rows width"]:
        chunk = self._rows.read(rows)
        if chunk is None:
            raise FileNotFoundError(
                f"rows of {self._rows.folder} were removed while they were read"
            )
        return chunk
