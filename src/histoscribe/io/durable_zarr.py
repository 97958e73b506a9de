"""Rows of numbers on disk: a zarr array that survives a kill, a second writer and a full disk.

A chunk of rows is written whole or not at all (temporary file, fsync, rename) with its checksum,
so a chunk that is there and decodes is done. Chunk k always holds the same rows, whoever computes
it and whenever, so an interrupted run leaves the same bytes as one that ran through, and two
writers only do each other's work.
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


@final
class DurableRows:
    """Rows of float32 in one folder, by chunk, in the order they were computed."""

    def __init__(self, array: zarr.Array, folder: Path) -> None:
        self._array = array
        self.folder = folder

    @classmethod
    def find(cls, folder: Path) -> "DurableRows | None":
        """Open the array of a folder, finished or not; None where nobody began."""
        if not (folder / "zarr.json").is_file():
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
        """Begin an array, or open it where another writer was quicker."""
        full = _told_when_full(folder, lambda: 4 * shape[0] * shape[1])
        with full, suppress(ContainsArrayError):
            zarr.create_array(
                _DurableStore(folder),
                shape=shape,
                chunks=(chunk_rows, shape[1]),
                dtype="float32",
                compressors=Crc32cCodec(),  # floats do not shrink; a flipped bit shows
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
        """What was said of the array when it was begun."""
        return {name: str(value) for name, value in self._array.attrs.items()}

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        n_rows, chunk_rows = self._array.shape[0], self._array.chunks[0]
        starts = range(0, n_rows, chunk_rows)
        return tuple(slice(start, min(start + chunk_rows, n_rows)) for start in starts)

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
        with _told_when_full(self.folder, self._needed):
            self._array[rows] = values

    def tidy(self) -> None:
        """Remove what killed writers left half-written; only when every chunk is done."""
        if all(self._path(rows).is_file() for rows in self.chunks):
            for leftover in self.folder.rglob(".*"):
                leftover.unlink(missing_ok=True)

    def _needed(self) -> int:
        """Bytes of the chunks that are not done."""
        missing = sum(not self._path(rows).is_file() for rows in self.chunks)
        return 4 * int(np.prod(self._array.chunks)) * missing

    def _path(self, rows: slice) -> Path:
        return self.folder / "c" / str(rows.start // self._array.chunks[0]) / "0"


@contextmanager
def _told_when_full(folder: Path, needed: Callable[[], int]) -> Iterator[None]:
    """Say that the disk is full, and how many bytes are needed: looked up only then."""
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
                remedy="free some space, or name another folder, and start again: "
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
