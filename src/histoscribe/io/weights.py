"""Places of weights and caches on this machine; nothing is downloaded."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import platformdirs

from histoscribe.errors import DataContractError, Problem

_FILE = "model.safetensors"


def find_weights(
    name: str,
    given: Mapping[str, Path] | None = None,
    hub: Sequence[tuple[str, str]] = (),
) -> Path | None:
    """Find the weight file of an encoder, e.g. `torchvision:squeezenet1_0`; None if nowhere.

    Searched in `given` (by full name); in `$HISTOSCRIBE_DATA/weights/<name>/model.safetensors` with
    the name after `torchvision:` or `timm:`, and `-` for another colon (`cmt-ti`); in the cache
    folder in the same layout; then in the cache of huggingface_hub by the repositories and file
    names of `hub`. A folder's name may continue after
    `_`, `.` or `@`, e.g. with a version. A file in a folder may also keep its name from the hub.
    Raises ValueError if `given` names a missing file, DataContractError if two folders fit the
    name.
    """
    if given is not None and name in given:
        if not given[name].is_file():
            raise ValueError(f"weights of {name}: there is no file {given[name]}")
        return given[name]
    names = tuple(dict.fromkeys((_FILE, *(file for _, file in hub))))
    places = (_in_place(name, place.parent, names) for place in weight_places(name))
    found = next((file for file in places if file is not None), None)
    return found if found is not None else _in_hub_cache(hub)


def weight_places(name: str) -> tuple[Path, ...]:
    """Paths where the weight file of an encoder is searched, in this order."""
    data = os.environ.get("HISTOSCRIBE_DATA")
    folders = ([Path(data)] if data else []) + [cache_folder()]
    family, colon, model = name.partition(":")
    # the names of these two are those of published nets; `ti` alone would say nothing
    short = model if family in ("torchvision", "timm") else f"{family}{colon and '-'}{model}"
    return tuple(folder / "weights" / short / _FILE for folder in folders)


def cache_folder() -> Path:
    """`$HISTOSCRIBE_CACHE`, else the platform's cache folder; it may not exist yet."""
    given = os.environ.get("HISTOSCRIBE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("histoscribe"))


def _in_place(name: str, exact: Path, files: Sequence[str]) -> Path | None:
    """File in the folder itself, else in the one folder whose name continues with a version."""
    whole = _first(exact, files)
    if whole is not None:
        return whole
    # uni must not match uni2-h, nor virchow virchow2: another model's name continues with other
    # characters
    folders = sorted(
        folder for sign in "_.@" for folder in exact.parent.glob(f"{exact.name}{sign}*")
    )
    found = [file for file in (_first(folder, files) for folder in folders) if file is not None]
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


def _first(folder: Path, files: Sequence[str]) -> Path | None:
    return next((folder / file for file in files if (folder / file).is_file()), None)


def _in_hub_cache(hub: Sequence[tuple[str, str]]) -> Path | None:
    """First of these files that an earlier download left; uses no network."""
    if not hub:
        return None
    from huggingface_hub import try_to_load_from_cache  # slow to import, and rarely needed

    for repository, file in hub:
        path = try_to_load_from_cache(repository, file)
        if isinstance(path, str):  # otherwise not requested yet, or known to be missing
            return Path(path)
    return None
