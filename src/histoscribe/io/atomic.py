"""Every write: to a temporary file, fsync, rename; a reader never sees half a file."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile, TemporaryDirectory

from histoscribe.errors import DataContractError, Problem

_MARK = ".histoscribe-"  # how a temporary file is known from a user's hidden file
_REPLACED = "replaced"
"""What the older folder is called from its rename to its removal; the new one is complete then."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; it takes the place of `path` when the block ends well.

    On an error the temporary file goes and `path` stays as it was.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile(
        dir=path.parent, prefix=_MARK, suffix=path.suffix or ".tmp", delete=False
    ) as file:
        temporary = Path(file.name)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        # NamedTemporaryFile is private to its owner; a result is as readable as any new file
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(path: Path, known_by: str) -> Iterator[Path]:
    """Give a path that does not exist yet; the folder written there takes the place of `path`.

    A folder at `path` is replaced only where it holds the file `known_by` (e.g. `zarr.json`), so
    that a wrong path costs nobody their data. On an error `path` stays as it was. A kill between
    the two renames leaves nothing at `path`; `remove_leftovers` then finishes what was begun.
    Raises DataContractError where something else stands at `path`.
    """
    if path.exists() and not (path / known_by).is_file():
        raise DataContractError(
            Problem(
                where=str(path),
                found="something else is there already",
                expected=f"nothing, or an older copy (a folder with {known_by})",
                remedy="choose another path, or move what is there away",
            )
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=_MARK) as temporary:
        new, old = Path(temporary) / "new" / path.name, Path(temporary) / _REPLACED
        new.parent.mkdir()
        yield new
        for file in new.rglob("*"):
            if file.is_file():
                with file.open("rb+") as opened:
                    os.fsync(opened.fileno())
        if path.exists():  # a rename cannot take the place of a folder that is not empty
            path.rename(old)
        new.rename(path)


def remove_leftovers(folder: Path) -> None:
    """Remove temporary files and folders of killed writers; where nobody else writes to.

    A folder that was complete and whose older copy had been moved away takes its place first.
    """
    for leftover in sorted(folder.rglob(f"{_MARK}*")):
        if leftover.is_dir():
            _finish(leftover)
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write JSON with sorted keys, so that equal values are equal files; NaN is refused."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n")


def _finish(leftover: Path) -> None:
    """Move the new folder to its place where the older one was moved away and nothing came."""
    if not (leftover / _REPLACED).is_dir():
        return  # the new one may be half-written, and an older one stands where it was
    for new in (leftover / "new").iterdir():
        if not (leftover.parent / new.name).exists():
            new.rename(leftover.parent / new.name)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
