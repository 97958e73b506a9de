"""Hashes that identify equal slides, kept in the cache from run to run."""

import hashlib
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from time import time_ns

from histoscribe.io.slides.resample import Region
from histoscribe.io.weights import cache_folder

MOST_PX = 400_000_000
"""Larger images are hashed by the bytes of their files."""
VERSION = 2
"""Increases when the same image would get another hash, so that older hashes are not used."""
_BAND_ROWS = 512
"""Rows hashed at once; the hash does not depend on this number."""
_SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within one tick of its clock: not cached."""
_log = logging.getLogger(__name__)


def of_pixels(size: tuple[int, int], pixels: Region) -> str:
    """Sha256 of width, height and RGB rows."""
    width, height = size
    digest = hashlib.sha256(f"{width}x{height}".encode())
    for top in range(0, height, _BAND_ROWS):
        bottom = min(top + _BAND_ROWS, height)
        digest.update(pixels(0, top, width, bottom).tobytes())
    return digest.hexdigest()


def of_files(files: tuple[Path, ...], parts: tuple[object, ...]) -> str:
    """Sha256 of the lengths and bytes of all files, and of what else decides the pixels."""
    digest = hashlib.sha256(f"files of a whole slide, white {parts}".encode())
    for path in files:
        digest.update(f"\n{path.stat().st_size}\n".encode())
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def remembered(files: tuple[Path, ...], parts: tuple[object, ...], make: Callable[[], str]) -> str:
    """Hash from the cache folder if these files are unchanged, else compute it.

    Kept per path, size and time of change. A cache entry that cannot be read is computed again.
    """
    state = _state(files, parts)
    name = hashlib.sha256(os.fsencode(state[0])).hexdigest()
    note = cache_folder() / "pixel-hashes" / f"{name}.json"
    known = _read(note)
    if known is not None and known[:-1] == state:
        return known[-1]
    made = make()
    young = any(time_ns() - path.stat().st_mtime_ns < _SETTLED_NS for path in files)
    if not young and _state(files, parts) == state:
        _write(note, [*state, made])
    return made


def _state(files: tuple[Path, ...], parts: tuple[object, ...]) -> list[str]:
    """State of the files that must be unchanged: the slide's name first, then its files."""
    stats = [(path, path.stat()) for path in files]
    return [
        f"{files[0].resolve()} white {parts}",
        f"version {VERSION}",
        *(f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns}" for path, stat in stats),
    ]


def _read(note: Path) -> list[str] | None:
    try:
        known = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(known, list) or not all(isinstance(part, str) for part in known):
        return None
    return known if len(known) > 1 and len(known[-1]) == 64 else None


def _write(note: Path, content: list[str]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        # not by way of a temporary file, which a kill would leave in a folder that nobody tidies:
        # half a note is no JSON, so the next run writes it again
        note.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:  # a cache that cannot be written costs time but does not stop the run
        _log.warning("cannot remember the hash of an image in %s: %s", note.parent, error)
