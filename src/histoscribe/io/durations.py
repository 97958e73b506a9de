"""How long a run took, by what identifies it, so that the next one can say so before it starts."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from histoscribe.io.atomic import write_json

_FOLDER = "durations"


def last_duration(cache: Path, identity: Mapping[str, str]) -> float | None:
    """Seconds of the last whole run with these files; None without such a run."""
    try:
        return float(json.loads(_file(cache, identity).read_text(encoding="utf-8"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is only told


def keep_duration(cache: Path, identity: Mapping[str, str], seconds: float) -> None:
    """Remember the seconds of a whole run."""
    with suppress(OSError):  # a full or read-only cache must not end a finished run
        write_json(_file(cache, identity), {"seconds": round(seconds, 1)})


def _file(cache: Path, identity: Mapping[str, str]) -> Path:
    text = json.dumps(dict(identity), sort_keys=True)
    return cache / _FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.json"
