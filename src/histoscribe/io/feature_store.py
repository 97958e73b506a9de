"""Features on disk, shared by all runs: one array per slide, spots, encoder, tiles and precision.

Durable by chunks of 128 rows; see `DurableRows` for what that promises.
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
"""Rows computed together: what a kill can cost."""


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
    """Geometry, and what is done to pixels off the tissue."""
    precision: str
    """As asked for; the array records what was used."""
    device: str

    @property
    def key(self) -> str:
        """Sha256 over all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@final
class FeatureStore:
    """The rows of one section, by chunk, in the order they were computed."""

    def __init__(self, rows: DurableRows) -> None:
        self._rows = rows

    @classmethod
    def find(cls, cache: Path, origin: FeatureOrigin) -> "FeatureStore | None":
        """Open the array of an origin, finished or not; None where nobody began."""
        rows = DurableRows.find(_folder(cache, origin))
        return None if rows is None else cls(rows)

    @classmethod
    def create(
        cls, cache: Path, origin: FeatureOrigin, shape: tuple[int, int], precision: str
    ) -> "FeatureStore":
        """Begin the array of an origin, or open it where another writer was quicker.

        `precision` is what the features are computed in; it may be more than was asked for.
        """
        about = {**asdict(origin), "precision_used": precision}
        return cls(DurableRows.create(_folder(cache, origin), shape, CHUNK_ROWS, about))

    @property
    def folder(self) -> Path:
        """The zarr array."""
        return self._rows.folder

    @property
    def precision(self) -> str:
        """What the features are computed in."""
        return self._rows.attributes["precision_used"]

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return self._rows.chunks

    def read(self, rows: slice) -> Float32[np.ndarray, "rows D"] | None:
        """Give one chunk; None where it is not done or its checksum does not agree."""
        return self._rows.read(rows)

    def write(self, rows: slice, values: Float32[np.ndarray, "rows D"]) -> None:
        """Write one chunk.

        Raises
        ------
        DataContractError
            The disk is full; says how much is still needed. Finished chunks stay.
        """
        self._rows.write(rows, values)

    def tidy(self) -> None:
        """Remove what killed writers left half-written; only when every chunk is done."""
        self._rows.tidy()


def _folder(cache: Path, origin: FeatureOrigin) -> Path:
    return cache / "features" / f"{origin.key[:32]}.zarr"
