"""A prediction while it is made: values and facts of each spot on disk, by chunk."""

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Float32

from histoscribe.io.durable_zarr import DurableRows

CHUNK_ROWS = 128
"""Spots predicted together: what a kill can cost. Results depend on it in their last bits."""


@final
class PredictionStore:
    """Rows of one slide, durable by chunk: values [N, G], then a column for each fact."""

    def __init__(self, rows: DurableRows, n_genes: int, facts: tuple[str, ...]) -> None:
        self._rows, self._n_genes, self._facts = rows, n_genes, facts

    @classmethod
    def open(
        cls, folder: Path, key: str, shape: tuple[int, int], facts: tuple[str, ...]
    ) -> "PredictionStore":
        """Begin or go on; `key` says what is predicted, from what and where.

        `shape` is spots and genes. What the folder holds under another key is removed.
        """
        n_spots, n_genes = shape
        if folder.is_dir():
            for other in folder.iterdir():
                if other.name != f"{key}.zarr":
                    shutil.rmtree(other)
        width = n_genes + len(facts)
        rows = DurableRows.create(folder / f"{key}.zarr", (n_spots, width), CHUNK_ROWS, {})
        return cls(rows, n_genes, facts)

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
        facts: Mapping[str, Float[np.ndarray, " rows"]],
    ) -> None:
        """Write one chunk; a full disk is a DataContractError."""
        columns = [facts[name].astype(np.float32)[:, None] for name in self._facts]
        self._rows.write(rows, np.concatenate([values, *columns], axis=1))

    def values(self) -> Iterator[Float32[np.ndarray, "rows G"]]:
        """Values of all spots, a chunk at a time."""
        return (self._read(rows)[:, : self._n_genes] for rows in self.chunks)

    def fact(self, name: str) -> Float32[np.ndarray, " N"]:
        """One fact of all spots."""
        column = self._n_genes + self._facts.index(name)
        return np.concatenate([self._read(rows)[:, column] for rows in self.chunks])

    def _read(self, rows: slice) -> Float32[np.ndarray, "rows width"]:
        chunk = self._rows.read(rows)
        if chunk is None:
            raise FileNotFoundError(
                f"rows of {self._rows.folder} were removed while they were read"
            )
        return chunk
