"""Turns at jobs: a process waits for another one that does the same job."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import sleep

from histoscribe.io.claims import JobClaim, claim, holder
from histoscribe.progress import tell

CLAIMS = ".claims"
"""Folder of the claims in a folder of results."""
_LOOK_S = 1.0
"""Seconds between two looks at the claim of another process."""


@contextmanager
def turn(path: Path, name: str, results: Path | None = None) -> Iterator[None]:
    """Hold the claim of a job until the block ends; wait for a living process that has it.

    See `claim` for the arguments. What that process finished is then there.
    """
    told = False
    while (held := _claim(path, name, results)) is None:
        if not told:
            tell(f"{name}: waiting for {holder(path) or 'another process'}")
            told = True
        sleep(_LOOK_S)
    with held:
        yield


@contextmanager
def claims_removed(folder: Path, *, alone: bool) -> Iterator[None]:
    """Remove the folder of the claims at the end of a block.

    Unless this process is `alone` in the folder, it stays as long as it has a claim.
    """
    try:
        yield
    finally:
        if alone:  # what is left is of dead processes
            shutil.rmtree(folder / CLAIMS, ignore_errors=True)
        with suppress(OSError):
            (folder / CLAIMS).rmdir()


def _claim(path: Path, name: str, results: Path | None) -> JobClaim | None:
    try:
        return claim(path, name, results)
    except FileNotFoundError:  # another process removed the empty folder of the claims just now
        return None
