"""Turns at jobs: a process waits for another one that does the same job."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import sleep

from histoscribe.io.claims import claim, holder
from histoscribe.progress import tell

_LOOK_S = 1.0
"""Seconds between two looks at the claim of another process."""


@contextmanager
def turn(path: Path, name: str, results: Path | None = None) -> Iterator[None]:
    """Hold the claim of a job until the block ends; wait for a living process that has it.

    See `claim` for the arguments. What that process finished is then there.
    """
    told = False
    while (held := claim(path, name, results)) is None:
        if not told and (other := holder(path)) is not None:
            tell(f"{name}: waiting for {other}")
            told = True
        sleep(_LOOK_S)
    with held:
        yield
