"""Where weights and caches lie on this machine; nothing is downloaded."""

import os
from collections.abc import Mapping
from pathlib import Path

import platformdirs

from histoscribe.errors import DataContractError, Problem


def find_weights(name: str, given: Mapping[str, Path] | None = None) -> Path | None:
    """Find the safetensors file of an encoder, e.g. `torchvision:squeezenet1_0`; None if nowhere.

    Looked for in `given` (by full name), in `$HISTOSCRIBE_DATA/weights/<name>*/model.safetensors`
    with the name after the colon, then in the cache folder in the same layout. Raises ValueError
    where `given` names a file that is not there, DataContractError where two folders fit the name.
    """
    if given is not None and name in given:
        if not given[name].is_file():
            raise ValueError(f"weights of {name}: there is no file {given[name]}")
        return given[name]
    found = (_in_place(name, place) for place in weight_places(name))
    return next((file for file in found if file is not None), None)


def weight_places(name: str) -> tuple[Path, ...]:
    """Where the file of an encoder is looked for, in this order."""
    data = os.environ.get("HISTOSCRIBE_DATA")
    folders = ([Path(data)] if data else []) + [cache_folder()]
    short = name.partition(":")[2] or name
    return tuple(folder / "weights" / short / "model.safetensors" for folder in folders)


def cache_folder() -> Path:
    """`$HISTOSCRIBE_CACHE`, else the platform's cache folder; it may not exist yet."""
    given = os.environ.get("HISTOSCRIBE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("histoscribe"))


def _in_place(name: str, exact: Path) -> Path | None:
    """The file itself, else that of the one folder whose name goes on, e.g. with a version."""
    if exact.is_file():
        return exact
    folder = exact.parent
    found = sorted(folder.parent.glob(f"{folder.name}*/{exact.name}"))
    if len(found) > 1:
        raise DataContractError(
            Problem(
                where=f"weights of {name}",
                found=f"several folders fit: {', '.join(map(str, found))}",
                expected="one",
                remedy=f"name the file: --weights {name}=FILE",
            )
        )
    return found[0] if found else None
