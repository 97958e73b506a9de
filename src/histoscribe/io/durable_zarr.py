"""Rows of numbers on disk: a zarr array that survives kills, a second writer and a full disk.

A chunk of rows is written whole or not at all (temporary file, fsync, rename) with its checksum, so
a chunk that exists and decodes is finished. Chunk k always holds the same rows, whoever computes
it, so an interrupted run leaves the same bytes as an uninterrupted one, and two writers at most
repeat each other's work.
"""

import asyncio
import errno
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
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

METADATA = "zarr.json"
"""File of the shape and the attributes of an array."""


@final
class DurableRows:
    """Rows of float32 in one folder, by chunk, in the order they were computed."""

    def __init__(self, array: zarr.Array, folder: Path) -> None:
        self._array = array
        self.folder = folder

    @classmethod
    def find(cls, folder: Path) -> "DurableRows | None":
        """Open the array of a folder, finished or unfinished; None without an array."""
        if not (folder / METADATA).is_file():
            return None
        return cls(zarr.open_array(_DurableStore(folder), mode="r+"), folder)

    @classmethod
    def create(
        cls,
        folder: Path,
        shape: tuple[int, int],
        chunk_rows: int,
        attributes: Mapping[str, str],
    ) -> "DurableRows":
        """Create an array, or open it if another writer was quicker."""
        full = told_when_full(folder, lambda: 4 * shape[0] * shape[1])
        with full, suppress(ContainsArrayError):
            zarr.create_array(
                _DurableStore(folder),
                shape=shape,
                chunks=(chunk_rows, shape[1]),
                dtype="float32",
                compressors=Crc32cCodec(),  # floats do not compress; a flipped bit is detected
                fill_value=np.nan,
                attributes=dict(attributes),
                config={"write_empty_chunks": True},
                overwrite=False,
            )
        rows = cls.find(folder)
        if rows is None:
            raise FileNotFoundError(f"{folder} was removed while it was written")
        return rows

    @property
    def attributes(self) -> Mapping[str, str]:
        """Attributes given when the array was created."""
        return {name: str(value) for name, value in self._array.attrs.items()}

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return chunks_of(self._array.shape[0], self._array.chunks[0])

    @property
    def keys(self) -> tuple[str, ...]:
        """Names of all files of a finished array, relative to its folder."""
        chunk_rows = self._array.chunks[0]
        return (METADATA, *(chunk_key(rows, chunk_rows) for rows in self.chunks))

    @property
    def n_bytes(self) -> int:
        """Bytes of the values of all rows."""
        return 4 * int(np.prod(self._array.shape))

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every unfinished chunk."""
        return tuple(rows for rows in self.chunks if self.read(rows) is None)

    @property
    def n_missing_files(self) -> int:
        """Number of chunks without a file; quicker than `missing`, which also reads the others."""
        return sum(not self._path(rows).is_file() for rows in self.chunks)

    def read(self, rows: slice) -> Float32[np.ndarray, "rows D"] | None:
        """Rows of one chunk; None for an unfinished chunk or a wrong checksum."""
        path = self._path(rows)
        if not path.is_file():
            return None
        try:
            return np.asarray(self._array[rows])
        except ValueError:  # zarr: checksum or length
            path.unlink(missing_ok=True)  # otherwise zarr would read it before writing
            return None

    def read_finished(self, rows: slice) -> Float32[np.ndarray, "rows D"]:
        """Rows of a chunk that is finished.

        Raises FileNotFoundError if it is not.
        """
        chunk = self.read(rows)
        if chunk is None:  # None would become NaN in an array
            raise FileNotFoundError(f"rows of {self.folder} were removed while they were read")
        return chunk

    def read_all(self) -> Float32[np.ndarray, "N D"]:
        """Rows of all chunks; every chunk must be finished."""
        values = np.empty(self._array.shape, dtype=np.float32)
        for rows in self.chunks:
            values[rows] = self.read_finished(rows)
        return values

    def write(self, rows: slice, values: Float32[np.ndarray, "rows D"]) -> None:
        """Write one chunk.

        Raises
        ------
        DataContractError
            The disk is full; the message says how much space is needed. Finished chunks stay.
        """
        with told_when_full(self.folder, self._needed):
            self._array[rows] = values

    def _needed(self) -> int:
        """Bytes of the unfinished chunks."""
        missing = sum(not self._path(rows).is_file() for rows in self.chunks)
        return 4 * int(np.prod(self._array.chunks)) * missing

    def _path(self, rows: slice) -> Path:
        return self.folder / chunk_key(rows, self._array.chunks[0])


def chunk_key(rows: slice, chunk_rows: int) -> str:
    """File of a chunk of rows, relative to the folder of its array."""
    return f"c/{rows.start // chunk_rows}/0"


def chunks_of(n_rows: int, chunk_rows: int) -> tuple[slice, ...]:
    """Rows of every chunk of an array with so many rows."""
    starts = range(0, n_rows, chunk_rows)
    return tuple(slice(start, min(start + chunk_rows, n_rows)) for start in starts)


@contextmanager
def told_when_full(folder: Path, needed: Callable[[], int]) -> Iterator[None]:
    """Report a full disk and the bytes needed, which are computed only then."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DataContractError(
            Problem(
                where=str(folder),
                found="the disk is full",
                expected=f"about {max(needed() / 1e6, 0.1):.1f} MB more for this section",
                remedy="free some space, or name another folder, and start again: finished work is "
                "kept",
            )
        ) from error


class _DurableStore(LocalStore):
    """Zarr's folder store, writing like the rest of this package: whole files, flushed to disk.

    Since 3.1 zarr renames but does not flush; before, it writes in place.
    """

    async def set(self, key: str, value: Buffer) -> None:
        """Write one file."""
        await asyncio.to_thread(_replace, self.root / key, value.to_bytes())

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write one file."""
        _replace(self.root / key, value.to_bytes())

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write one file unless it exists: another writer's file has the same bytes."""
        if not (self.root / key).exists():
            await self.set(key, value)


def _replace(path: Path, content: bytes) -> None:
    try:
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    except FileNotFoundError:
        # another writer finished all chunks and removed our temporary file: the same bytes exist
        if not path.is_file():
            raise
