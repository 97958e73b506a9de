"""Where weights and caches lie on this machine; nothing is downloaded."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs


def find_weights(name: str, given: Mapping[str, Path] | None = None) -> Path | None:
    """Find the safetensors file of an encoder, e.g. `torchvision:squeezenet1_0`; None if nowhere.

    Looked for in `given` (by full name), in `$HISTOSCRIBE_DATA/weights/<name>*/model.safetensors`
    with the name after the colon, then in the cache folder in the same layout. Raises ValueError
    where `given` names a file that is not there, or where two folders fit the name.
    """
    if given is not None and name in given:
        if not given[name].is_file():
            raise ValueError(f"weights of {name}: there is no file {given[name]}")
        return given[name]
    data = os.environ.get("HISTOSCRIBE_DATA")
    for folder in ([Path(data)] if data else []) + [cache_folder()]:
        found = _in_folder(folder / "weights", name.partition(":")[2] or name)
        if found is not None:
            return found
    return None


def cache_folder() -> Path:
    """`$HISTOSCRIBE_CACHE`, else the platform's cache folder; it may not exist yet."""
    given = os.environ.get("HISTOSCRIBE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("histoscribe"))


def _in_folder(weights: Path, name: str) -> Path | None:
    exact = weights / name / "model.safetensors"
    if exact.is_file():
        return exact
    found = sorted(weights.glob(f"{name}*/model.safetensors"))
    if len(found) > 1:
        raise ValueError(
            f"weights of {name}: several folders fit, {', '.join(str(path) for path in found)}; "
            f"name the file with --weights"
        )
    return found[0] if found else None
