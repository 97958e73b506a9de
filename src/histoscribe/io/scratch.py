"""Scratch folder on a disk of this machine: results are written there, and copied when whole.

`$HISTOSCRIBE_SCRATCH` names it, e.g. the disk of a cluster's node. A shared file system then gets
whole files only, and what a dead job left half-written is not on it.
"""

import os
from hashlib import sha256
from pathlib import Path


def scratch_folder() -> Path | None:
    """`$HISTOSCRIBE_SCRATCH`; None if it is not set: files are then written beside their place."""
    given = os.environ.get("HISTOSCRIBE_SCRATCH")
    return Path(given).absolute() if given else None


def folder_of_writing(path: Path) -> Path:
    """Folder in which a file is written before it takes its place."""
    scratch = scratch_folder()
    if scratch is None or path.absolute().is_relative_to(scratch):
        return path.parent
    return scratch


def growing_folder(path: Path) -> Path:
    """Folder of what grows file by file until `path` is whole: `path` itself without a scratch.

    A run that was stopped goes on with it on the same machine, and begins again on another one.
    """
    scratch = scratch_folder()
    if scratch is None:
        return path
    key = sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return scratch / f"{key}-{path.name.lstrip('.')}"
