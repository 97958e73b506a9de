"""Values of many spots at one byte each, gene after gene, on disk and in one message."""

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float, Float32, UInt8

UNDEFINED = 255
"""The code of a value that is not finite."""
_STEPS = 254
"""The highest code of a value."""
RANGES = "ranges.npy"
"""File of the ranges of all kinds, by which a folder of maps is known."""
_DEFINED = "defined.npy"

Blocks = Callable[[], Iterator[Float[np.ndarray, "_ G"]]]
"""Starts the reading of consecutive rows of values, one row a spot."""


@dataclass(frozen=True, eq=False)
class GeneRange:
    """Lowest and highest value of each gene; NaN for a gene without a value."""

    low: Float32[np.ndarray, " G"]
    high: Float32[np.ndarray, " G"]

    @classmethod
    def of(cls, blocks: Iterator[Float[np.ndarray, "_ G"]]) -> "GeneRange":
        """Range over all rows; values that are not finite are left out."""
        low = high = None
        for block in blocks:
            known = np.isfinite(block)
            least = np.where(known, block, np.inf).min(axis=0)
            most = np.where(known, block, -np.inf).max(axis=0)
            low = least if low is None else np.minimum(low, least)
            high = most if high is None else np.maximum(high, most)
        if low is None or high is None:
            raise ValueError("no block of values")
        empty = low > high
        low, high = (np.where(empty, np.nan, end).astype(np.float32) for end in (low, high))
        return cls(low, high)

    def joined(self, other: "GeneRange") -> "GeneRange":
        """The range that holds both."""
        return GeneRange(np.fmin(self.low, other.low), np.fmax(self.high, other.high))

    def around_zero(self) -> "GeneRange":
        """The same distance to both sides of zero, at least that of each end."""
        most = np.maximum(np.abs(self.low), np.abs(self.high))
        return GeneRange(-most, most)


@dataclass(frozen=True, eq=False)
class ByteMap:
    """Codes [G, N] of one kind of values in a file, of which one gene is read at a time."""

    path: Path
    range: GeneRange
    defined: Bool[np.ndarray, " G"]
    """Whether a gene has a value at any spot."""

    def message(self, gene: int) -> bytes:
        """Low and high of a gene as float32, then one code for each spot; little-endian."""
        # the file is mapped for this gene only, so that memory does not grow with genes
        codes = np.load(self.path, mmap_mode="r")
        return _message(self.range.low[gene], self.range.high[gene], codes[gene])


def write_byte_maps(
    folder: Path, n_spots: int, kinds: Mapping[str, tuple[Blocks, GeneRange]]
) -> None:
    """Write a file of codes for each kind into a new folder, and the ranges of all kinds."""
    folder.mkdir(parents=True)
    ranges = np.stack([np.stack([of.low, of.high]) for _, of in kinds.values()])
    defined = np.zeros(ranges[:, 0].shape, dtype=np.bool_)
    for row, (name, (blocks, within)) in enumerate(kinds.items()):
        shape = (len(within.low), n_spots)
        codes = np.lib.format.open_memmap(_file(folder, name), "w+", np.uint8, shape)
        _reserve(_file(folder, name))
        start = 0
        for block in blocks():
            rows = codes[:, start : start + len(block)]
            rows[:] = coded(block, within.low, within.high).T
            defined[row] |= (rows != UNDEFINED).any(axis=1)
            start += len(block)
        if start != n_spots:
            raise ValueError(f"{start} rows of {name} for {n_spots} spots")
        codes.flush()
    np.save(folder / _DEFINED, defined)
    np.save(folder / RANGES, ranges)


def _reserve(path: Path) -> None:
    """Take the space of a file from the disk: writing to a hole of a full one ends the process."""
    if hasattr(os, "posix_fallocate"):
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)


def is_byte_folder(folder: Path, kinds: tuple[str, ...]) -> bool:
    """Whether a folder holds the maps of these kinds."""
    files = [_file(folder, name) for name in kinds]
    return all(path.is_file() for path in (folder / RANGES, folder / _DEFINED, *files))


def read_byte_maps(folder: Path, kinds: tuple[str, ...]) -> dict[str, ByteMap]:
    """Open the maps of a folder that `write_byte_maps` wrote with these kinds."""
    ranges, defined = np.load(folder / RANGES), np.load(folder / _DEFINED)
    return {
        name: ByteMap(_file(folder, name), GeneRange(*of), known)
        for name, of, known in zip(kinds, ranges, defined, strict=True)
    }


def byte_message(values: Float[np.ndarray, " N"]) -> bytes:
    """Low and high of some values as float32, then one code each; as `ByteMap.message`."""
    within = GeneRange.of(iter([values[:, None]]))
    return _message(within.low[0], within.high[0], coded(values, within.low[0], within.high[0]))


def coded(
    values: Float[np.ndarray, "*shape"],
    low: Float32[np.ndarray, " _"] | np.float32,
    high: Float32[np.ndarray, " _"] | np.float32,
) -> UInt8[np.ndarray, "*shape"]:
    """Codes 0 to 254, linear from low to high; 255 where a value is not finite."""
    known = np.isfinite(values)
    span = np.where(high > low, np.subtract(high, low, dtype=np.float64), 1.0)
    steps = np.where(known, values, low) - np.float64(low)
    steps *= _STEPS / span
    codes = np.where(known, np.rint(steps), UNDEFINED)
    return codes.astype(np.uint8)


def _message(low: np.float32, high: np.float32, codes: UInt8[np.ndarray, " N"]) -> bytes:
    return np.array([low, high], dtype="<f4").tobytes() + codes.tobytes()


def _file(folder: Path, name: str) -> Path:
    return folder / f"{name}.npy"
