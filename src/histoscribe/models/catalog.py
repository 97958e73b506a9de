"""The list of models: those of the package, from `catalog.toml`, and those that users add.

Reading the list imports no model, so it needs no torch.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from importlib.resources import files
from typing import Any

from histoscribe.models.model_source import ModelSource, source_of

_PACKAGE = "histoscribe.models."
GROUP = "histoscribe.models"
"""Group of entry points by which another package adds models."""


@dataclass(frozen=True, kw_only=True)
class ModelRecord:
    """Facts of a model that matter for choosing it."""

    name: str
    place: str
    """Module and class, as `module:Class`."""
    title: str
    """What it does, in one sentence."""
    paper: str
    """DOI or arXiv id; `baseline` where there is no paper."""
    licence: str
    """Of the code, and of published weights that the network starts from."""


def _read(text: str) -> dict[str, ModelRecord]:
    return {
        name: ModelRecord(
            name=name,
            place=_PACKAGE + entry["class"],
            title=entry["title"],
            paper=entry["paper"],
            licence=entry["licence"],
        )
        for name, entry in tomllib.loads(text).items()
    }


CATALOG: Mapping[str, ModelRecord] = _read(
    files("histoscribe.models").joinpath("catalog.toml").read_text("utf-8")
)
"""Models of this package by name, simplest first."""


@dataclass(frozen=True)
class _Added:
    cls: type[Any]
    source: ModelSource


_ADDED: dict[str, _Added] = {}
"""Models that a user's code registered, by name."""


def list_models() -> tuple[str, ...]:
    """Names of all models: those of the package, baselines first, then those that users added.

    Examples
    --------
    >>> list_models()[:3]
    ('mean', 'colour', 'depth')
    """
    return tuple(dict.fromkeys((*CATALOG, *_ADDED, *_entry_points())))


def model_records() -> tuple[ModelRecord, ...]:
    """The facts of every model, in the order of `list_models`."""
    return tuple(model_record(name) for name in list_models())


def model_record(name: str) -> ModelRecord:
    """The facts of one model.

    Raises
    ------
    ValueError
        for an unknown name; the message gives similar names.
    """
    if name in CATALOG:
        return CATALOG[name]
    if name in _ADDED:
        return _record_of(name, _ADDED[name].cls)
    if name in _entry_points():
        place = _entry_points()[name]
        return ModelRecord(
            name=name, place=place, title=f"From {place}.", paper="not stated", licence="not stated"
        )
    raise ValueError(_unknown(name))


def add_model(name: str, cls: type[Any]) -> None:
    """Register a class under a name; a class of this package must match its catalog entry.

    A class from the same place as the registered one replaces it: a cell can be run twice.

    Raises
    ------
    ValueError
        if another model has the name, or if the catalog has no such entry.
    """
    place = _place(cls)
    if place.startswith(_PACKAGE) and name not in CATALOG:
        raise ValueError(f"models/catalog.toml has no model {name!r} ({place}): add its entry")
    if name in CATALOG:
        _compare(CATALOG[name], _record_of(name, cls))
    elif name in _ADDED and _place(_ADDED[name].cls) != place:
        raise ValueError(
            f"a model named {name!r} is registered: {_place(_ADDED[name].cls)}; choose another name"
        )
    else:
        _ADDED[name] = _Added(cls, source_of(cls))


def added_models(module: str) -> tuple[str, ...]:
    """Names of the models that a module of the user registered."""
    return tuple(name for name, added in _ADDED.items() if added.cls.__module__ == module)


def drop_models(module: str) -> None:
    """Forget the models that a module of the user registered, before it is run again."""
    for name in added_models(module):
        del _ADDED[name]


def model_source(name: str) -> ModelSource | None:
    """Origin of a registered model; None for other models, those of this package included."""
    return _ADDED[name].source if name in _ADDED else None


def load_class(name: str) -> type[Any]:
    """Import the module of a model and give its class.

    Raises
    ------
    ValueError
        for an unknown name; the message gives similar names.
    """
    if name in CATALOG:
        module, _, attribute = CATALOG[name].place.partition(":")
        return getattr(import_module(module), attribute)
    if name not in _ADDED and name in _entry_points():
        import_module(
            _entry_points()[name].partition(":")[0]
        )  # importing the module registers the class
    if name not in _ADDED:
        raise ValueError(_unknown(name))
    return _ADDED[name].cls


def _compare(listed: ModelRecord, found: ModelRecord) -> None:
    for field in ("place", "paper"):
        expected, actual = getattr(listed, field), getattr(found, field)
        if actual != expected:
            raise ValueError(
                f"model {listed.name!r}: its class has {field} {actual!r}, models/catalog.toml has "
                f"{expected!r}; another model needs another name, a changed one a changed entry"
            )


def _record_of(name: str, cls: type[Any]) -> ModelRecord:
    return ModelRecord(
        name=name,
        place=_place(cls),
        title=(cls.__doc__ or "").partition("\n")[0],
        paper=cls.paper,
        licence="not stated",
    )


def _place(cls: type[Any]) -> str:
    return f"{cls.__module__}:{cls.__qualname__}"


@cache
def _entry_points() -> dict[str, str]:
    """Module and class of each model that an installed package adds, by name."""
    return {point.name: point.value for point in entry_points(group=GROUP)}


def _unknown(name: str) -> str:
    names = list_models()
    near = get_close_matches(name, names, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(names)}"
    return f"no model named {name!r}; {hint}"
