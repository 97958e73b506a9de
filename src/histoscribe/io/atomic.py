"""Atomic writes: temporary file, fsync, rename; a reader never sees half a file."""

import errno
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from tempfile import NamedTemporaryFile, mkdtemp
from time import sleep

from safetensors import SafetensorError

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.process import ProcessName, is_of_dead, this_process
from histoscribe.io.scratch import folder_of_writing

_MARK = ".histoscribe-"
"""Marks a temporary file, to tell it from a user's hidden file; the name of its process follows."""
_NUMBER = re.compile(r"(?:os error |errno = )(\d+)")
_TORCH_WRITER = "inline_container"
"""Source file of torch that its errors of writing name."""
_FULL_BYTES = 1_000_000
"""A disk with less free space is called full."""
_REPLACED = "replaced"
"""Suffix of the older folder between its rename and removal; the new folder is then complete."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path next to `path`; it replaces `path` when the block ends without error.

    On an error the temporary file is removed and `path` stays unchanged. An error of the disk in
    any library is raised as OSError with its number and `path`. With a scratch folder the block
    writes there, and its file is copied when it is whole.
    """
    begun = _folder_of_writing(path)
    is_beside = begun == path.parent
    with _disk_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary_file(begun, path.suffix) as temporary:
            with _disk_errors(path if is_beside else temporary):
                yield temporary
            if is_beside:
                _put(temporary, path)
                return
            with _temporary_file(path.parent, path.suffix) as copy:
                shutil.copyfile(temporary, copy)
                _put(copy, path)


@contextmanager
def replacing_folder(path: Path, known_by: str) -> Iterator[Path]:
    """Give a path that does not exist yet; the folder written there replaces `path`.

    A folder at `path` is replaced only if it holds the file `known_by` (e.g. `zarr.json`), so that
    a wrong path destroys no data. On an error `path` stays unchanged. A kill between the two
    renames leaves nothing at `path`; `remove_leftovers` then completes the move. Raises
    DataContractError if something else stands at `path`.
    """
    if path.exists() and not (path / known_by).is_file():
        raise DataContractError(
            Problem(
                where=str(path),
                found="something else already exists here",
                expected=f"nothing, or an older copy (a folder with {known_by})",
                remedy="choose another path, or move the existing one away",
            )
        )
    with _disk_errors(path), _temporary_folder(path.parent) as temporary:
        new, old = Path(temporary) / "new" / path.name, Path(temporary) / _REPLACED
        new.parent.mkdir()
        with _begun(path, new) as begun:
            yield begun
        for file in new.rglob("*"):
            if file.is_file():
                with file.open("rb+") as opened:
                    os.fsync(opened.fileno())
        if path.exists():  # a rename cannot replace a folder that is not empty
            path.rename(old)
        new.rename(path)


@contextmanager
def _begun(path: Path, new: Path) -> Iterator[Path]:
    """Folder to write to, which ends as `new`: itself, or one of the scratch that is copied."""
    scratch = _folder_of_writing(path)
    if scratch == path.parent:
        yield new
        return
    with _temporary_folder(scratch) as temporary:
        yield Path(temporary) / path.name
        shutil.copytree(Path(temporary) / path.name, new)


def _folder_of_writing(path: Path) -> Path:
    """Folder in which a file begins; a scratch is tidied when a process uses it first."""
    folder = folder_of_writing(path)
    if folder != path.parent:
        _tidy(folder)
    return folder


@lru_cache
def _tidy(scratch: Path) -> None:
    scratch.mkdir(parents=True, exist_ok=True)
    for leftover in scratch.glob(f"{_MARK}*"):
        if is_of_dead(leftover.name.removeprefix(_MARK).partition("-")[0]):
            _remove(scratch, leftover.name)


@contextmanager
def _temporary_file(folder: Path, suffix: str) -> Iterator[Path]:
    mark = _mark(this_process())
    with NamedTemporaryFile(dir=folder, prefix=mark, suffix=suffix or ".tmp", delete=False) as file:
        temporary = Path(file.name)
    try:
        yield temporary
    finally:
        with suppress(OSError):  # on a disk that is gone, the first error says more
            temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path) -> None:
    """Flush a whole file to the disk and give it its place."""
    with temporary.open("rb+") as file:
        os.fsync(file.fileno())
    # a temporary file is private to its owner; a result is readable as any new file
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(path)


@contextmanager
def _temporary_folder(parent: Path) -> Iterator[str]:
    parent.mkdir(parents=True, exist_ok=True)
    mark = _mark(this_process())
    folder = mkdtemp(dir=parent, prefix=mark)
    try:
        yield folder
    finally:
        _remove_folder(Path(folder))


def _remove_folder(folder: Path) -> None:
    """Remove a folder; after an error, threads of zarr may write to it for another moment."""
    for wait_s in (0.0, 0.05, 0.2, 1.0):
        sleep(wait_s)
        shutil.rmtree(folder, ignore_errors=True)
        if not folder.exists():
            return


@contextmanager
def _disk_errors(path: Path) -> Iterator[None]:
    """Give errors of the disk their number and path; libraries only mention them in words."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        number = _error_number(error, path.parent)
        named = isinstance(error, OSError) and error.filename is not None
        if number is None or named:
            raise
        raise OSError(number, os.strerror(number), str(path)) from error


def _error_number(error: Exception, folder: Path) -> int | None:
    """Number of the disk's error; None for any other error.

    Safetensors says `os error 28`, HDF5 `errno = 28`; torch names only its writer.
    """
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if words := _NUMBER.search(str(error)):
        return int(words[1])
    if _TORCH_WRITER not in str(error):
        return None
    full = folder.is_dir() and shutil.disk_usage(folder).free < _FULL_BYTES
    return errno.ENOSPC if full else errno.EIO


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders of killed writers; only where nobody else writes.

    If a new folder was complete and its older copy already moved away, the new one is put in place
    first.
    """
    _remove(folder, _MARK)


def remove_leftovers_of(folder: Path, process: ProcessName) -> None:
    """Remove temporary files and folders of one dead process; others may be writing."""
    _remove(folder, _mark(process))


def _mark(process: ProcessName) -> str:
    return f"{_MARK}{process.mark}-"


def _remove(folder: Path, mark: str) -> None:
    for place, folders, files in os.walk(folder):  # goes on where another process removes something
        for name in sorted(name for name in folders if name.startswith(mark)):
            folders.remove(name)
            _finish(Path(place) / name)
            shutil.rmtree(Path(place) / name, ignore_errors=True)
        for name in files:
            if name.startswith(mark):
                (Path(place) / name).unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write JSON with sorted keys, so that equal values give equal files; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _finish(leftover: Path) -> None:
    """Put the new folder in place if the older one was already moved away."""
    if not (leftover / _REPLACED).is_dir():
        return  # the new one may be half-written, and the older one is still in place
    for new in (leftover / "new").iterdir():
        if not (leftover.parent / new.name).exists():
            new.rename(leftover.parent / new.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
