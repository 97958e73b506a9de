"""Claims of jobs: who computes what, in a folder that several machines share.

A claim is a small file with host, process and time, which is created only if it does not exist, and
touched while its job runs. The kernel's locks are not used, because many network file systems have
none. A claim only saves double work: results are written whole, and are the same whoever computes
them, so two holders of one job (after a machine that slept) harm nothing.
"""

import json
import logging
import os
from contextlib import AbstractContextManager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import NamedTemporaryFile
from threading import Event, Thread
from typing import final
from uuid import uuid4

from histoscribe.io.atomic import remove_leftovers_of
from histoscribe.io.process import ProcessName, this_process

BEAT_S = 20.0
"""Seconds between two touches of a claim."""
STALE_S = 180.0
"""Age at which a claim of another machine counts as left by a dead process.

Longer than a network file system keeps the time of a file for its readers (60 s on NFS).
"""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Holder:
    """Content of a claim."""

    name: str
    """Name of the job."""
    process: ProcessName
    since: str
    """Time of the claim by the clock of its host."""

    def __str__(self) -> str:
        """Words for messages."""
        return f"process {self.process.number} on {self.process.host}, since {self.since}"


@final
class JobClaim(AbstractContextManager["JobClaim"]):
    """A job that this process does; the block keeps the claim alive, and gives it back."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._is_over = Event()
        self._beat = Thread(target=self._keep_alive, daemon=True)

    @property
    def is_valid(self) -> bool:
        """Whether no other process has taken the job over."""
        return _read(self._path) == self._text

    def __enter__(self) -> "JobClaim":
        """Begin to touch the file."""
        self._beat.start()
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the file, if it still is the one of this process."""
        self._is_over.set()
        self._beat.join()
        if self.is_valid:
            self._path.unlink(missing_ok=True)

    def _keep_alive(self) -> None:
        while not self._is_over.wait(BEAT_S):
            try:
                if self.is_valid:
                    os.utime(self._path)  # by the clock of the file server
            except OSError as error:  # a server that restarts: the next touch comes soon
                _log.debug("cannot touch the claim %s: %s", self._path, error)


def claim(path: Path, name: str, results: Path | None = None) -> JobClaim | None:
    """JobClaim a job by its file; None while another process holds it.

    The claim of a dead process is taken over: at once if it ran on this machine, after `STALE_S`
    seconds without a touch if it ran on another one. What the dead process left half-written in
    the folder `results` is then removed.

    Examples
    --------
    >>> held = claim(folder / "fold A, ridge.claim", "fold A, ridge")  # doctest: +SKIP
    >>> if held is not None:  # doctest: +SKIP
    ...     with held:
    ...         work()
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    text = _text(Holder(name=name, process=this_process(), since=_now()))
    for _ in range(2):  # a claim may be given back between the first look and the second
        if _create(path, text):
            return JobClaim(path, text)
        old = _read(path)
        if old is not None:
            is_taken = _is_left(path, old) and _take_over(path, old, text)
            if is_taken and results is not None and (dead := _holder(old)) is not None:
                remove_leftovers_of(results, dead.process)
            return JobClaim(path, text) if is_taken else None
    return None


def holder(path: Path) -> Holder | None:
    """Process that holds a job, living or dead; None if nobody does or the file says nothing."""
    text = _read(path)
    return None if text is None else _holder(text)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _text(content: Holder) -> str:
    # the number makes two claims of one process in one second different
    return json.dumps({**asdict(content), "number": uuid4().hex}, indent=1) + "\n"


def _holder(text: str) -> Holder | None:
    try:
        value = json.loads(text)
        process = ProcessName(**value["process"])
        return Holder(name=value["name"], process=process, since=value["since"])
    except (ValueError, KeyError, TypeError):  # killed before it wrote its name
        return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _create(path: Path, text: str) -> bool:
    """Create a file; False if one of this name exists."""
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    except OSError:  # a full disk: an empty claim would stop the job for `STALE_S`
        path.unlink(missing_ok=True)
        raise
    return True


def _is_left(path: Path, text: str) -> bool:
    """Whether the holder of a claim is dead, as far as this machine can know."""
    dead = _holder(text)
    is_gone = None if dead is None else dead.process.is_gone
    return _is_stale(path) if is_gone is None else is_gone


def _is_stale(path: Path) -> bool:
    """Whether a file was not touched for long, by the clock of its own file system."""
    with NamedTemporaryFile(dir=path.parent, prefix=".clock-") as probe:
        now = Path(probe.name).stat().st_mtime
    try:
        return now - path.stat().st_mtime > STALE_S
    except FileNotFoundError:
        return False  # just given back


def _take_over(path: Path, old: str, text: str) -> bool:
    """Replace the claim of a dead process; False if another one was quicker.

    One process at a time replaces a claim: the one that created the file of the turn.
    """
    turn = path.with_name(f".{path.name}.next")
    if not _create(turn, text):
        if _is_stale(turn):  # its process died in its turn
            turn.unlink(missing_ok=True)
        return False
    if _read(path) == old:
        turn.replace(path)
        return True
    with suppress(FileNotFoundError):
        turn.unlink()
    return False
