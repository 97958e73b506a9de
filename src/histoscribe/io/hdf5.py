"""HDF5 files, checked before their arrays are read."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path

import h5py

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.budget import check_size
from histoscribe.io.files import check_file
from histoscribe.io.hdf5_probe import crash_of

_REMEDY = "copy or export the file again; if it is so large, leave out what is not needed"
_TEXT_BYTES = 64
"""Memory that a word of variable length takes at least, as a Python object."""


@contextmanager
def opened_hdf5(path: Path, expected: str, streamed: Collection[str] = ()) -> Iterator[h5py.File]:
    """Open a file for reading, after the sizes that it states were checked.

    Of arrays that are `streamed` (`/group/name`), one chunk at a time is expected in memory.

    Raises
    ------
    DataContractError
        for what is no complete HDF5 file, for arrays larger than the file can credibly hold, and
        for arrays that lie in other files.
    """
    check_file(path, expected)
    with errors_of_hdf5(path, expected):
        crash = crash_of(path)
    if crash:
        found = f"a damaged HDF5 file ({crash})"
        raise DataContractError(Problem(str(path), found, expected, _REMEDY))
    with errors_of_hdf5(path, expected), h5py.File(path, "r") as file:
        stored = path.stat().st_size
        members = list(_members(file))
        arrays = [(name, array) for name, array in members if array is not None]
        check_size(
            path,
            f"its {len(arrays)} arrays",
            sum(_bytes_of(array, whole=name not in streamed) for name, array in arrays),
            stored=stored,
            remedy=_REMEDY,
        )
        outside = [name for name, array in arrays if array.external or array.is_virtual]
        outside += [name for name, array in members if array is None]
        if outside:
            raise DataContractError(
                Problem(
                    where=f"{path}, {', '.join(outside[:5])}",
                    found="a link to another file",
                    expected="all data in the file itself",
                    remedy="export it again as one file",
                )
            )
        yield file


@contextmanager
def errors_of_hdf5(path: Path, expected: str) -> Iterator[None]:
    """Turn any error of h5py, and of libraries above it, into one message for the user.

    Damaged files raise nearly every kind of error there.
    """
    try:
        yield
    except DataContractError:
        raise
    except Exception as error:
        kind = type(error).__name__
        found = f"the file is truncated or damaged, or another kind of file ({kind}: {error})"
        raise DataContractError(
            Problem(str(path), found, expected, "copy or export the file again, or correct it")
        ) from error


def _members(file: h5py.File) -> Iterator[tuple[str, h5py.Dataset | None]]:
    """Name and array of every member, each once; None for a link to another file."""
    known, groups = set(), [("", file["/"])]
    while groups:
        place, group = groups.pop()
        for name in group:
            full = f"{place}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                yield full, None
            if not isinstance(link, h5py.HardLink):
                continue
            member = group[name]
            identity = h5py.h5o.get_info(member.id).addr
            if identity in known:  # a group may hold itself
                continue
            known.add(identity)
            if isinstance(member, h5py.Group):
                groups.append((full, member))
            elif isinstance(member, h5py.Dataset):
                yield full, member


def _bytes_of(array: h5py.Dataset, *, whole: bool) -> int:
    """Memory for all values, or for one chunk if that is larger or only chunks are read."""
    size = prod(array.chunks or ())
    if whole or not array.chunks:
        size = max(size, prod(array.shape or ()))
    is_text = h5py.check_string_dtype(array.dtype) is not None
    return size * (_TEXT_BYTES if is_text else array.dtype.itemsize)
