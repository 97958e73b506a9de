"""Checksums of a finished run: what reads its files later knows that they are those of the run."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from histoscribe.errors import Problem
from histoscribe.io.atomic import write_json

FILE = "checksums.json"
_FREE = (FILE, "report.html", "run.json")
"""Files that are written again after the run, or hold times."""


def write_checksums(folder: Path) -> None:
    """Write the sha256 of every result file; a predictor is listed by its record."""
    write_json(folder / FILE, {name: _sha256(folder / name) for name in _names(folder)})


def changed_files(folder: Path, concerns: Callable[[str], bool], remedy: str) -> list[Problem]:
    """Problems of listed files that are missing or have another content.

    `concerns` says which of the names, relative to the folder, are checked. Empty for a folder
    without checksums: its run is not finished, or of an older version.
    """
    path = folder / FILE
    if not path.is_file():
        return []
    try:
        listed = json.loads(path.read_text(encoding="utf-8"))
        known = {str(name): str(sha) for name, sha in listed.items() if concerns(str(name))}
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        found = f"not readable: {error}"
        return [Problem(str(path), found, "the checksums of a finished run", remedy)]
    return [
        problem
        for name, sha in sorted(known.items())
        if (problem := _changed(folder / name, sha, remedy)) is not None
    ]


def _changed(path: Path, sha: str, remedy: str) -> Problem | None:
    found = _sha256(path) if path.is_file() else "no such file"
    if found == sha:
        return None
    return Problem(str(path), found, f"sha256 {sha}, as at the end of the run", remedy)


def _names(folder: Path) -> list[str]:
    """Files of a run, relative to its folder."""
    names = []
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        of_predictor = name.startswith("predictors/") and path.name != "predictor.json"
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and name not in _FREE and not (of_predictor or hidden):
            names.append(name)
    return sorted(names)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
