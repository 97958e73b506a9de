"""A helper process in which HDF5 files are walked before this process opens them.

The library that reads HDF5 can end a process with a signal, or run for ever, on a damaged index or
heap. The helper tries each file in a fork with a limit on processor time, and lives as long as the
process that started it.
"""

import atexit
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Any

if sys.platform != "win32":
    import resource

_SECONDS = 5
"""Processor time for a small file; walking takes milliseconds."""
_BYTES_PER_SECOND = 10_000_000
_lock = Lock()
_helpers: dict[int, "subprocess.Popen[str]"] = {}
"""The helper of each process: a fork starts its own."""
_whole: set[tuple[str, int, int, int]] = set()
"""Files that were walked to their end in this process; a run reads its predictions several times.

Path, inode, size and time of the last change.
"""


def crash_of(path: Path) -> str | None:
    """How walking this HDF5 file ends a process, in words; None if it does not.

    Ordinary errors are none: the reader meets them itself. On Windows nothing is tried.
    """
    if sys.platform == "win32":
        return None
    now = path.stat()
    identity = (os.fspath(path.absolute()), now.st_ino, now.st_size, now.st_mtime_ns)
    if identity in _whole:
        return None
    told = _told(identity[0])
    if told is None:
        _whole.add(identity)
    return told


def _told(path: str) -> str | None:
    """Answer of the helper about a file."""
    with _lock:
        helper = _helper()
        if helper.stdin is None or helper.stdout is None:
            raise ValueError("the helper was started without pipes")
        helper.stdin.write(json.dumps(path) + "\n")
        helper.stdin.flush()
        answer = helper.stdout.readline()
        if not answer:
            raise ChildProcessError("the process that tries HDF5 files ended")
        return json.loads(answer)


def _helper() -> "subprocess.Popen[str]":
    helper = _helpers.get(os.getpid())
    if helper is not None and helper.poll() is None:
        return helper
    if helper is None:
        atexit.register(_end, os.getpid())
    else:
        _close(helper)
    helper = subprocess.Popen(
        [sys.executable, "-P", __file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    _helpers[os.getpid()] = helper
    return helper


def _end(process: int) -> None:
    """End the helper of this process; a fork leaves that of its parent alone."""
    if process == os.getpid() and process in _helpers:
        _close(_helpers[process])


def _close(helper: "subprocess.Popen[str]") -> None:
    """Kill a helper and close its pipes; a question that it has not read is dropped."""
    helper.kill()
    with suppress(BrokenPipeError):
        helper.communicate()


def _serve() -> None:
    """Try each file that is named on a line of the input; answer with a line."""
    import h5py  # noqa: F401  # once, before the forks

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that asks
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _walk_and_exit(Path(json.loads(line)))
        _, status = os.waitpid(child, 0)
        told = None
        if os.WIFSIGNALED(status):
            number = os.WTERMSIG(status)
            late = number in (signal.SIGXCPU, signal.SIGKILL)
            told = "its index runs in a circle" if late else signal.Signals(number).name
        os.write(1, f"{json.dumps(told)}\n".encode())


def _walk_and_exit(path: Path) -> None:
    try:
        seconds = _SECONDS + path.stat().st_size // _BYTES_PER_SECOND
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        _walk(path)
    finally:
        os._exit(0)


def _walk(path: Path) -> None:
    """Touch what the library does not check: names, attributes, words, places of chunks."""
    import h5py

    with h5py.File(path, "r") as file:
        members = [file["/"]]
        file.visititems(lambda _, member: members.append(member))
        for member in members:
            with suppress(Exception):  # the reader meets it, and tells it
                _touch(member)


def _touch(member: Any) -> None:
    import h5py

    for name in member.attrs:
        with suppress(Exception):
            member.attrs[name]
    if isinstance(member, h5py.Dataset):
        if h5py.check_string_dtype(member.dtype) is not None:
            member[()]
        elif member.chunks is not None:
            member.id.chunk_iter(lambda _: None)


if __name__ == "__main__":
    _serve()
