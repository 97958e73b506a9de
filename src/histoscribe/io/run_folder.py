"""The folder of a run: one run only, one process at a time, no half-written files."""

import json
import os
import shutil
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import TypeVar
from weakref import finalize

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import remove_leftovers, write_text
from histoscribe.types import RunCard

if sys.platform != "win32":
    import fcntl

_Result = TypeVar("_Result")


def in_folder(out: str | Path | None, work: Callable[[Path], _Result]) -> _Result:
    """Do work that writes a folder; without `out`, a temporary one, removed with the result."""
    if out is not None:
        return work(Path(out))
    folder = Path(mkdtemp(prefix="histoscribe-"))
    try:
        found = work(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finalize(found, shutil.rmtree, folder, ignore_errors=True)
    return found


class FolderInUseError(DataContractError):
    """Another process writes to the folder."""


CARD = "card.json"
_MOST_NAMED = 3
"""Files of a folder that are named in a message."""
_WRITE_AGAIN = (
    "run `histoscribe benchmark FILE.toml --out DIR` of this version, and do not edit its files"
)


def read_run_card(folder: Path) -> RunCard:
    """The card of a finished run.

    Raises
    ------
    DataContractError
        The file is missing or no JSON, or another version wrote it.
    """
    path = folder / CARD
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else f"no JSON: {error}"
        raise DataContractError(
            Problem(str(path), found, "the card of a finished benchmark", _WRITE_AGAIN)
        ) from None
    return RunCard.from_json(value, str(path), _WRITE_AGAIN)


@contextmanager
def claimed(folder: Path, files: Mapping[str, str], *, shared: bool = False) -> Iterator[None]:
    """Reserve a folder for one run until the block ends; `files` (name -> text) identify the run.

    These files are written first, so that the same run started again recognises its folder.
    Half-written files of a killed run are removed before anything else is written. A run that
    fails before its first result takes its files away again, so that the folder accepts the
    corrected settings. With `shared`, several processes may hold the folder of one run, each for
    its part of the jobs; then nothing is removed.

    Raises
    ------
    DataContractError
        if `folder` cannot be a folder, holds another run or files that are none of a run, or is in
        use by another process: two runs never mix.
    """
    made = not folder.exists()
    _make(folder)
    with _held(folder, shared=shared) as alone:
        problems = [
            _other_run(folder / name)
            for name, text in files.items()
            if (folder / name).exists() and (folder / name).read_text(encoding="utf-8") != text
        ]
        if problems:
            raise DataContractError(problems)
        if not any((folder / name).exists() for name in files):
            refuse_other_files(folder, files)  # another part may have just written them
        if alone:
            remove_leftovers(folder)
        new = [name for name in files if not (folder / name).exists()]
        before = _paths(folder)
        try:
            for name in new:
                write_text(folder / name, files[name])
            yield
        except BaseException:
            if not shared:
                identity = {folder / name for name in new} if len(new) == len(files) else set()
                _release(folder, identity, before, made=made)
            raise


def refuse_other_files(folder: Path, known: Collection[str] = ()) -> None:
    """Check that a folder is new, or has only files of these names; hidden ones do not count.

    Raises
    ------
    DataContractError
        naming some of the others.
    """
    if not folder.is_dir():
        return
    names = sorted(path.name for path in folder.iterdir())
    other = [name for name in names if name not in known and not name.startswith(".")]
    if other:
        more = f" and {len(other) - _MOST_NAMED} more" if len(other) > _MOST_NAMED else ""
        raise DataContractError(
            Problem(
                where=str(folder),
                found=f"a folder with other files: {', '.join(other[:_MOST_NAMED])}{more}",
                expected="a new or empty folder, or that of the same run to continue",
                remedy="choose another --out, e.g. a new folder in this one",
            )
        )


def _release(folder: Path, identity: set[Path], before: set[Path], *, made: bool) -> None:
    """Remove the new files that identify a run and its empty folders, if it has no result."""
    with suppress(OSError):  # the error that ended the run says more
        if identity:
            _remove_identity(folder, identity, before)
        if made:
            folder.rmdir()  # it stays where it holds a result


def _remove_identity(folder: Path, identity: set[Path], before: set[Path]) -> None:
    remove_leftovers(folder)
    new = _paths(folder) - before
    if {path for path in new if not path.is_dir()} - identity:
        return
    for path in sorted(new, reverse=True):  # what is in a folder goes before it
        if path.is_dir():
            path.rmdir()
        else:
            path.unlink()


def _paths(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise DataContractError(
            Problem(str(folder), "this is a file", "a folder to write to", "choose another --out")
        ) from None


@contextmanager
def _held(folder: Path, *, shared: bool) -> Iterator[bool]:
    """Lock a folder; gives False if others may write, too: parts, or a file system without locks.

    The lock belongs to the kernel: it ends with its process, however that ends.
    """
    if sys.platform == "win32":
        yield False
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        yield _lock(handle, folder, shared=shared) and not shared
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path, *, shared: bool) -> bool:
    if sys.platform == "win32":
        return False
    try:
        fcntl.flock(handle, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderInUseError(
            Problem(
                where=str(folder),
                found="another histoscribe is writing here",
                expected="one process at a time in a folder",
                remedy="wait until it has finished, or choose another --out",
            )
        ) from None
    except OSError:  # some network mounts
        return False
    return True


def _other_run(path: Path) -> Problem:
    return Problem(
        where=str(path),
        found="this folder holds a run with other settings or data",
        expected="a new folder, or the same run to continue",
        remedy="choose another --out, or remove the folder",
    )
