"""Hashes that identify equal slides, kept in the cache from run to run."""

import hashlib
import json
import logging
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from itertools import accumulate
from pathlib import Path
from time import sleep, time_ns

from histoscribe.io.claims import claim
from histoscribe.io.slides.resample import Region
from histoscribe.io.weights import cache_folder
from histoscribe.progress import tell

MOST_PX = 400_000_000
"""Larger images are hashed by the bytes of their files."""
VERSION = 2
"""Increases when the same image would get another hash, so that older hashes are not used."""
_BAND_ROWS = 512
"""Rows hashed at once; the hash does not depend on this number."""
_SETTLED_NS = 2_000_000_000
"""A file younger than this may change again within one tick of its clock: not cached."""
_N_BLOCKS, _BLOCK = 8, 1 << 16
"""Blocks that are read of a slide to recognise it, and the bytes of each."""
_WAIT_S = 1.0
"""Seconds between two looks at the hash that another process computes."""
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

    Kept per size, time of change and a few blocks of the content, so that all machines that share
    the cache read a slide as a whole once, wherever each of them has mounted it. While one computes
    it, the others wait. A cache entry that cannot be read is computed again.
    """
    if any(time_ns() - path.stat().st_mtime_ns < _SETTLED_NS for path in files):
        return make()
    state = _state(files, parts)
    name = hashlib.sha256("\n".join(state).encode()).hexdigest()
    note = cache_folder() / "pixel-hashes" / f"{name}.json"
    told = False
    while (known := _read(note, state)) is None:
        turn = _turn(note, files[0])
        if turn is None:
            if not told:
                tell(f"{files[0].name}: waiting for another process that reads it")
                told = True
            sleep(_WAIT_S)
            continue
        with turn:  # another one may have finished just before the claim
            known = _read(note, state) or _made(note, files, parts, make)
        break
    return known


def _made(
    note: Path, files: tuple[Path, ...], parts: tuple[object, ...], make: Callable[[], str]
) -> str:
    """Compute the hash of a slide, and note it unless its files changed meanwhile."""
    state = _state(files, parts)
    made = make()
    if _state(files, parts) == state:
        _write(note, [*state, made])
    return made


def _turn(note: Path, slide: Path) -> AbstractContextManager[object] | None:
    """The turn to compute a hash; None while another process computes it."""
    try:
        return claim(note.with_suffix(".claim"), f"hash of {slide.name}")
    except OSError:  # nothing can be kept: everybody computes
        return nullcontext()


def _state(files: tuple[Path, ...], parts: tuple[object, ...]) -> list[str]:
    """Version, sizes, times and blocks of unchanged files; no path is part of it."""
    stats = [path.stat() for path in files]
    sizes = [stat.st_size for stat in stats]
    return [
        f"version {VERSION}, white {parts}",
        *(f"{stat.st_size} {stat.st_mtime_ns}" for stat in stats),
        _of_blocks(files, sizes),
    ]


def _of_blocks(files: tuple[Path, ...], sizes: list[int]) -> str:
    """Sha256 of a few blocks, at equal distances over the length of all files."""
    ends = list(accumulate(sizes))
    digest = hashlib.sha256()
    for number in range(_N_BLOCKS):
        place = max(ends[-1] - _BLOCK, 0) * number // (_N_BLOCKS - 1)
        which = min(bisect_right(ends, place), len(files) - 1)
        with files[which].open("rb") as file:
            file.seek(place - (ends[which] - sizes[which]))
            digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def _read(note: Path, state: list[str]) -> str | None:
    """Hash in a note; None without one for this state."""
    try:
        known = json.loads(note.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    is_whole = isinstance(known, list) and known[:-1] == state and isinstance(known[-1], str)
    return known[-1] if is_whole and len(known[-1]) == 64 else None


def _write(note: Path, content: list[str]) -> None:
    try:
        note.parent.mkdir(parents=True, exist_ok=True)
        # not by way of a temporary file, which a kill would leave in a folder that nobody tidies:
        # half a note is no JSON, so the next run writes it again
        note.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:  # a cache that cannot be written costs time but does not stop the run
        _log.warning("cannot remember the hash of an image in %s: %s", note.parent, error)
