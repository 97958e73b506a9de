"""Features on disk: a zarr array that survives a kill, a second writer and a full disk.

One array per slide, spots, encoder, tile geometry, device and precision, in chunks of 128 rows.
A chunk is written whole or not at all (temporary file, fsync, rename) with its checksum, so a
chunk that is there and decodes is done. Chunk k always holds the same rows, whoever computes it
and whenever, so an interrupted run leaves the same bytes as one that ran through, and two
writers only do each other's work.
"""

import asyncio
import errno
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

import numpy as np
import zarr
from jaxtyping import Float32
from zarr.codecs import Crc32cCodec
from zarr.core.buffer import Buffer
from zarr.errors import ContainsArrayError
from zarr.storage import LocalStore

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing

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

    def __init__(self, array: zarr.Array, folder: Path) -> None:
        self._array = array
        self.folder = folder

    @classmethod
    def find(cls, cache: Path, origin: FeatureOrigin) -> "FeatureStore | None":
        """Open the array of an origin, finished or not; None where nobody began."""
        folder = _folder(cache, origin)
        if not (folder / "zarr.json").is_file():
            return None
        return cls(zarr.open_array(_DurableStore(folder), mode="r+"), folder)

    @classmethod
    def create(
        cls, cache: Path, origin: FeatureOrigin, shape: tuple[int, int], precision: str
    ) -> "FeatureStore":
        """Begin the array of an origin, or open it where another writer was quicker.

        `precision` is what the features are computed in; it may be more than was asked for.
        """
        folder = _folder(cache, origin)
        with _told_when_full(folder, 4 * shape[0] * shape[1]), suppress(ContainsArrayError):
            zarr.create_array(
                _DurableStore(folder),
                shape=shape,
                chunks=(CHUNK_ROWS, shape[1]),
                dtype="float32",
                compressors=Crc32cCodec(),  # float features do not shrink; a flipped bit shows
                fill_value=np.nan,
                attributes={**asdict(origin), "precision_used": precision},
                config={"write_empty_chunks": True},
                overwrite=False,
            )
        store = cls.find(cache, origin)
        if store is None:
            raise FileNotFoundError(f"{folder} was removed while it was written")
        return store

    @property
    def precision(self) -> str:
        """What the features are computed in."""
        return str(self._array.attrs["precision_used"])

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        n_rows = self._array.shape[0]
        starts = range(0, n_rows, CHUNK_ROWS)
        return tuple(slice(start, min(start + CHUNK_ROWS, n_rows)) for start in starts)

    def read(self, rows: slice) -> Float32[np.ndarray, "rows D"] | None:
        """Give one chunk; None where it is not done or its checksum does not agree."""
        path = self._path(rows)
        if not path.is_file():
            return None
        try:
            return np.asarray(self._array[rows])
        except ValueError:  # zarr: checksum or length
            path.unlink(missing_ok=True)  # or zarr would read it to write into it
            return None

    def write(self, rows: slice, values: Float32[np.ndarray, "rows D"]) -> None:
        """Write one chunk.

        Raises
        ------
        DataContractError
            The disk is full; says how much is still needed. Finished chunks stay.
        """
        missing = sum(not self._path(other).is_file() for other in self.chunks)
        with _told_when_full(self.folder, 4 * CHUNK_ROWS * self._array.shape[1] * missing):
            self._array[rows] = values

    def tidy(self) -> None:
        """Remove what killed writers left half-written; only when every chunk is done."""
        if all(self._path(rows).is_file() for rows in self.chunks):
            for leftover in self.folder.rglob(".*"):
                leftover.unlink(missing_ok=True)

    def _path(self, rows: slice) -> Path:
        return self.folder / "c" / str(rows.start // CHUNK_ROWS) / "0"


def _folder(cache: Path, origin: FeatureOrigin) -> Path:
    return cache / "features" / f"{origin.key[:32]}.zarr"


@contextmanager
def _told_when_full(folder: Path, needed: int) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataContractError(
            Problem(
                where=str(folder),
                found="the disk is full",
                expected=f"about {max(needed / 1e6, 0.1):.1f} MB more for this section's features",
                remedy="free some space, or name another cache folder, and start again: "
                "what was finished is kept",
            )
        ) from error


class _DurableStore(LocalStore):
    """Zarr's folder store, written as this package writes: whole files, flushed to disk.

    Zarr renames since 3.1 but does not flush, and writes in place before.
    """

    async def set(self, key: str, value: Buffer) -> None:
        """Write one file."""
        await asyncio.to_thread(_replace, self.root / key, value.to_bytes())

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write one file."""
        _replace(self.root / key, value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write one file unless it is there: another writer's has the same bytes."""
        if not (self.root / key).exists():
            await self.set(key, value)


def _replace(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except FileNotFoundError:
        # another writer finished all chunks and tidied ours away: the same bytes are there
        if not path.is_file():
            raise
