"""Features on disk, shared by all runs: one array per slide, spots, encoder, tiles and precision.

Written in durable chunks of 128 rows; see `DurableRows`.
"""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float32

from histoscribe.io.durable_zarr import DurableRows

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
    """Features of one section on disk, in chunks of rows."""

    def __init__(self, rows: DurableRows) -> None:
        self._rows = rows

    @classmethod
    def find(cls, cache: Path, origin: FeatureOrigin) -> "FeatureStore | None":
        """Open the array of an origin, finished or unfinished; None without an array."""
        rows = DurableRows.find(_folder(cache, origin))
        return None if rows is None else cls(rows)

    @classmethod
    def create(
        cls, cache: Path, origin: FeatureOrigin, shape: tuple[int, int], precision: str
    ) -> "FeatureStore":
        """Create the array of an origin, or open it if another writer was quicker.

        `precision` is the precision of the computation; it may be higher than requested.
        """
        about = {**asdict(origin), "precision_used": precision}
        return cls(DurableRows.create(_folder(cache, origin), shape, CHUNK_ROWS, about))

    @property
    def folder(self) -> Path:
        """The zarr array."""
        return self._rows.folder

    @property
    def precision(self) -> str:
        """Precision in which the features were computed."""
        return self._rows.attributes["precision_used"]

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return self._rows.chunks

    def read(self, rows: slice) -> Float32[np.ndarray, "rows D"] | None:
        """Rows of one chunk; None for an unfinished chunk or a wrong checksum."""
        return self._rows.read(rows)

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every unfinished chunk."""
        return self._rows.missing

    @property
    def is_complete(self) -> bool:
        """Whether every chunk has its file; `missing` also verifies them."""
        return self._rows.n_missing_files == 0

    def read_finished(self, rows: slice) -> Float32[np.ndarray, "rows D"]:
        """Rows of a finished chunk; FileNotFoundError for any other."""
        return self._rows.read_finished(rows)

    def write(self, rows: slice, values: Float32[np.ndarray, "rows D"]) -> None:
        """Write one chunk.

        Raises
        ------
        DataContractError
            The disk is full; the message says how much space is needed. Finished chunks stay.
        """
        self._rows.write(rows, values)

    def tidy(self) -> None:
        """Remove half-written files of killed writers; only when every chunk is finished."""
        self._rows.tidy()


def _folder(cache: Path, origin: FeatureOrigin) -> Path:
    return cache / "features" / f"{origin.key[:32]}.zarr"
