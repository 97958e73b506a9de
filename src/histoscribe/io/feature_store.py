"""Features on disk, shared by all runs: one array per slide, spots, encoder, tiles and precision.

Written in durable chunks of 128 rows, see `DurableRows`; a finished array is one file, see
`PackedRows`.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32

from histoscribe.io.durable_zarr import DurableRows
from histoscribe.io.packed_zarr import PackedRows, packed, unpacked
from histoscribe.io.scratch import growing_folder

CHUNK_ROWS = 128
"""Rows computed together: a kill costs at most these."""


@dataclass(frozen=True, kw_only=True)
class FeatureOrigin:
    """Everything that decides the features of a section; two equal origins share one array."""

    slide: str
    """Hash of the pixels."""
    spots: str
    """Hash of the centres, in order."""
    encoder: str
    """Name, layer and checksum of the weights."""
    tiles: str
    """Geometry of the tiles, and how pixels off the tissue are treated."""
    precision: str
    """Requested precision; the array records the precision used."""
    device: str

    @property
    def key(self) -> str:
        """Sha256 over all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@final
class FeatureStore:
    """Features of one section on disk, in chunks of rows; one file when all are finished."""

    def __init__(self, path: Path, rows: DurableRows | PackedRows) -> None:
        self.path = path
        """File of the finished array, a zarr array in a zip."""
        self._rows = rows

    @classmethod
    def find(cls, cache: Path, origin: FeatureOrigin) -> "FeatureStore | None":
        """Open the array of an origin, finished or unfinished; None without an array."""
        path = _path(cache, origin)
        folders = dict.fromkeys((_folder(path), path.with_suffix("")))  # the latter of no scratch
        growing = (rows for rows in map(DurableRows.find, folders) if rows is not None)
        rows = PackedRows.find(path) or next(growing, None)
        return None if rows is None else cls(path, rows)

    @classmethod
    def create(
        cls, cache: Path, origin: FeatureOrigin, shape: tuple[int, int], precision: str
    ) -> "FeatureStore":
        """Create the array of an origin, or open it if another writer was quicker.

        `precision` is the precision of the computation; it may be higher than requested.
        """
        path = _path(cache, origin)
        about = {**asdict(origin), "precision_used": precision}
        try:
            return cls(path, DurableRows.create(_folder(path), shape, CHUNK_ROWS, about))
        except FileNotFoundError:  # removed by a writer that has finished all chunks
            store = cls.find(cache, origin)
            if store is None:
                raise
            return store

    @property
    def precision(self) -> str:
        """Precision in which the features were computed."""
        return self._rows.attributes["precision_used"]

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return self._rows.chunks

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every chunk that is unfinished, or has a wrong checksum."""
        return self._rows.missing

    @property
    def is_complete(self) -> bool:
        """Whether every chunk is on disk; `missing` also verifies them."""
        return isinstance(self._rows, PackedRows) or self._rows.n_missing_files == 0

    def write(self, rows: slice, values: Float32[np.ndarray, "rows D"]) -> None:
        """Write one chunk.

        Raises
        ------
        DataContractError
            The disk is full; the message says how much space is needed. Finished chunks stay.
        """
        if isinstance(self._rows, DurableRows):
            self._write_growing(self._rows, rows, values)
        elif any(block is None for _, block in self._rows.blocks([rows])):
            self._rows = unpacked(self._rows, _folder(self.path))
            self._rows.write(rows, values)

    def finish(self) -> None:
        """Make one file of the chunks, all of which are finished, and remove theirs."""
        if isinstance(self._rows, DurableRows):
            self._rows = packed(self._rows, self.path)
        # also what a process left that was killed in between; another one may be removing it, too
        for folder in {_folder(self.path), self.path.with_suffix("")}:
            shutil.rmtree(folder, ignore_errors=True)

    def blocks(self) -> Iterator[tuple[slice, Float32[np.ndarray, "rows D"]]]:
        """Every chunk of a finished array with its rows, in order.

        Raises FileNotFoundError if one is not finished.
        """
        if isinstance(self._rows, DurableRows):
            yield from ((rows, self._rows.read_finished(rows)) for rows in self.chunks)
            return
        for rows, values in self._rows.blocks():
            if values is None:
                raise FileNotFoundError(f"rows of {self.path} were damaged after they were checked")
            yield rows, values

    def _write_growing(
        self, growing: DurableRows, rows: slice, values: Float32[np.ndarray, "rows D"]
    ) -> None:
        try:
            growing.write(rows, values)
        except FileNotFoundError:  # removed by another writer that has finished all chunks
            whole = PackedRows.find(self.path)
            if whole is None:
                raise
            self._rows = whole


def _path(cache: Path, origin: FeatureOrigin) -> Path:
    return cache / "features" / f"{origin.key[:32]}.zarr.zip"


def _folder(path: Path) -> Path:
    """Folder in which the chunks of an unfinished array lie."""
    return growing_folder(path.with_suffix(""))
