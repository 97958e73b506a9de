"""A finished array in one file: the zip of its zarr folder, which zarr opens as it is.

Thousands of slides with hundreds of chunks each are more files than a shared file system likes, and
a zarr shard still needs a second file, for its metadata. The zip has both, its bytes depend on its
content only, and chunk after chunk goes through memory while it is written.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import final
from zipfile import BadZipFile, ZipFile, ZipInfo

import numpy as np
import zarr
from jaxtyping import Float32
from zarr.storage import ZipStore

from histoscribe.io.atomic import replacing
from histoscribe.io.durable_zarr import METADATA, DurableRows, chunk_key, chunks_of, told_when_full

_DAY = (1980, 1, 1, 0, 0, 0)
"""Day of every entry, the first one that a zip can name: equal arrays are equal files."""
_log = logging.getLogger(__name__)


@final
class PackedRows:
    """Rows of float32 in one file, by chunk; every chunk is there, but may be damaged."""

    def __init__(
        self, path: Path, shape: tuple[int, int], chunk_rows: int, attributes: Mapping[str, str]
    ) -> None:
        self.path, self.shape = path, shape
        self.chunk_rows, self.attributes = chunk_rows, attributes

    @classmethod
    def find(cls, path: Path) -> "PackedRows | None":
        """Open a finished array; None without the file, or for a zip that lacks a chunk."""
        try:
            with ZipFile(path) as file:
                facts = json.loads(file.read(METADATA))
                n_rows, width = facts["shape"]
                chunk_rows = facts["chunk_grid"]["configuration"]["chunk_shape"][0]
                names = set(file.namelist())
        except FileNotFoundError:
            return None
        except (BadZipFile, KeyError, ValueError) as error:
            _log.warning("%s is damaged (%s) and is made again", path, error)
            return None
        chunks = chunks_of(n_rows, chunk_rows)
        if not {chunk_key(rows, chunk_rows) for rows in chunks} <= names:
            return None
        attributes = {name: str(value) for name, value in facts["attributes"].items()}
        return cls(path, (n_rows, width), chunk_rows, attributes)

    @property
    def chunks(self) -> tuple[slice, ...]:
        """Rows of every chunk."""
        return chunks_of(self.shape[0], self.chunk_rows)

    def blocks(
        self, chunks: Sequence[slice] | None = None
    ) -> Iterator[tuple[slice, Float32[np.ndarray, "rows D"] | None]]:
        """Chunks with their rows, by default all; None for a chunk with a wrong checksum."""
        with closing(ZipStore(self.path, mode="r")) as store:
            array = zarr.open_array(store, mode="r")
            for rows in self.chunks if chunks is None else chunks:
                try:
                    yield rows, np.asarray(array[rows])
                except (ValueError, BadZipFile):
                    yield rows, None

    @property
    def missing(self) -> tuple[slice, ...]:
        """Rows of every damaged chunk; reads all of them."""
        return tuple(rows for rows, values in self.blocks() if values is None)


def packed(rows: DurableRows, path: Path) -> PackedRows:
    """Write a finished array into one file; its folder is no longer used.

    Where another process was quicker, its file is taken: it has the same bytes.

    Raises
    ------
    DataContractError
        The disk is full; the chunks stay.
    """
    try:
        with told_when_full(path, lambda: rows.n_bytes):
            _write(rows, path)
    except FileNotFoundError:
        if not path.is_file():
            raise
    whole = PackedRows.find(path)
    if whole is None:
        raise FileNotFoundError(f"{path} was removed while it was written")
    return whole


def unpacked(whole: PackedRows, folder: Path) -> DurableRows:
    """Write the chunks of a damaged file that are whole into a folder; the file is removed."""
    rows = DurableRows.create(folder, whole.shape, whole.chunk_rows, whole.attributes)
    for part, values in whole.blocks():
        if values is not None:
            rows.write(part, values)
    whole.path.unlink(missing_ok=True)
    return rows


def _write(rows: DurableRows, path: Path) -> None:
    with replacing(path) as temporary, ZipFile(temporary, "w") as file:
        for key in rows.keys:
            entry = ZipInfo(key, _DAY)
            entry.create_system, entry.external_attr = 3, 0o644 << 16  # as on any Unix
            file.writestr(entry, (rows.folder / key).read_bytes())
