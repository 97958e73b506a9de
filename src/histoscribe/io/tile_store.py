"""Tiles of sections on disk: a network reads them once per epoch, the slide is read once.

One file of raw pixels per section, mapped into memory, so that the memory of a training run does
not grow with its cohort. A file is complete or missing.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from histoscribe.io.atomic import replacing


@dataclass(frozen=True, kw_only=True)
class TileOrigin:
    """Everything that decides the tiles of a section; two equal origins share one file."""

    slide: str
    """Hash of the pixels."""
    spots: str
    """Hash of the centres, in order."""
    tiles: str
    """Geometry, stain, and how pixels off the tissue are treated."""

    @property
    def key(self) -> str:
        """Sha256 over all fields."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def find_tiles(cache: Path, origin: TileOrigin) -> UInt8[np.ndarray, "N P P 3"] | None:
    """Map the tiles of an origin, spot by spot; None if they are not stored."""
    path = _path(cache, origin)
    return np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None


def write_tiles(
    cache: Path,
    origin: TileOrigin,
    shape: tuple[int, int, int, int],
    batches: Iterator[tuple[np.ndarray, UInt8[np.ndarray, "B P P 3"]]],
) -> None:
    """Write the tiles of an origin: `batches` gives rows and their pixels, every row once."""
    with replacing(_path(cache, origin)) as temporary:
        # a file handle: open_memmap would add an ending to a name
        with temporary.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            start = file.tell()
            file.truncate(start + int(np.prod(shape)))
        pixels = np.memmap(temporary, np.uint8, "r+", start, shape)
        for rows, tiles in batches:
            pixels[rows] = tiles
        pixels.flush()


def _path(cache: Path, origin: TileOrigin) -> Path:
    return cache / "tiles" / f"{origin.key}.npy"
