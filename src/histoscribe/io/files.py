"""Files that users name: only regular files are opened, and never more than memory can hold."""

import gzip
import json
import os
import stat
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.budget import MOST_TEXT_BYTES, check_size

GZIP = b"\x1f\x8b"
_BLOCK = 1 << 20
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_AGAIN = "copy or export the file again, or correct it"
_LARGE = "check that it is the right file; if it is, use a machine with more memory"


def no_file(path: Path) -> str | None:
    """Why a path is no regular file, in words; None for one.

    A pipe or device is never opened: reading it could wait for ever.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        if isinstance(error, FileNotFoundError):
            return "no such file"
        return f"cannot be opened ({getattr(error, 'strerror', None) or error})"
    return None if stat.S_ISREG(mode) else _KINDS.get(stat.S_IFMT(mode), "no regular file")


def exists(path: Path) -> bool:
    """Whether a file or folder exists; False for impossible names.

    `Path.exists` raises an error for a name that is too long.
    """
    try:
        path.stat()
    except (OSError, ValueError):
        return False
    return True


def check_file(path: Path, expected: str = "a file", remedy: str = "check the path") -> None:
    """Raise DataContractError for a path that is no regular file."""
    if found := no_file(path):
        raise DataContractError(Problem(str(path), found, expected, remedy))


def check_tree(folder: Path) -> None:
    """Raise DataContractError for a pipe, socket or device anywhere in a folder."""
    odd = [
        Path(root) / name
        for root, _, names in os.walk(folder)
        for name in names
        if no_file(Path(root) / name) in ("a pipe", "a socket", "a device")
    ]
    if odd:
        raise DataContractError(
            Problem(str(path), no_file(path) or "", "a file", "remove it from the folder")
            for path in odd
        )


def read_bytes(path: Path, expected: str = "a file") -> bytes:
    """All bytes of a file, unzipped if it starts like gzip, whatever its name.

    Raises DataContractError for what is no regular file or cannot be read, a broken gzip file, and
    one that unzips to more than it can credibly hold.
    """
    check_file(path, expected)
    try:
        stored = path.stat().st_size
        check_size(path, "the file", stored, stored=stored, remedy=_LARGE)
        raw = path.read_bytes()
    except OSError as error:
        found = f"cannot be read ({error.strerror or error})"
        raise DataContractError(Problem(str(path), found, expected, "check the file")) from error
    return _unzipped(path, raw) if raw.startswith(GZIP) else raw


def read_text(path: Path, expected: str = "a text file in UTF-8") -> str:
    """Text of a file in UTF-8, with or without a byte order mark; raises DataContractError."""
    try:
        return read_bytes(path, expected).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = f"no text in UTF-8 ({error})"
        raise DataContractError(Problem(str(path), found, expected, _AGAIN)) from error


def read_json(path: Path, expected: str = "a JSON file", remedy: str = _AGAIN) -> Any:
    """Content of a JSON file; raises DataContractError for anything else.

    Text nested so deeply that Python cannot follow it is refused, too.
    """
    try:
        return json.loads(read_text(path, expected))
    except (ValueError, RecursionError) as error:
        why = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise DataContractError(Problem(str(path), f"no JSON ({why})", expected, remedy)) from error


def _unzipped(path: Path, raw: bytes) -> bytes:
    """Unzip in blocks, each held against the budget: a gzip file does not state its size."""
    out = BytesIO()
    try:
        with gzip.GzipFile(fileobj=BytesIO(raw)) as file:
            while block := file.read(_BLOCK):
                out.write(block)
                size = out.tell()
                check_size(
                    path, "the text in it", size,
                    stored=len(raw), remedy=_LARGE, most=MOST_TEXT_BYTES,
                )  # fmt: skip
    except (EOFError, OSError, zlib.error) as error:
        found = f"the gzip file is truncated or broken ({error})"
        raise DataContractError(Problem(str(path), found, "a complete file", _AGAIN)) from error
    return out.getvalue()
