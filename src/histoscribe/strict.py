"""Settings that accept no unknown key, with messages for wrong ones."""

import tomllib
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from histoscribe.errors import DataContractError, Problem


class StrictSettings(BaseModel):
    """Frozen table of settings; an unknown key is an error.

    The docstring below a field describes it.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    @model_validator(mode="before")
    @classmethod
    def _texts_may_be_lists(cls, table: Any) -> Any:
        """Take `a,b` for a list, as on the command line."""
        if not isinstance(table, Mapping):
            return table
        lists = {name for name, field in cls.model_fields.items() if _is_list(field.annotation)}
        return {
            key: tuple(part.strip() for part in value.split(","))
            if key in lists and isinstance(value, str)
            else value
            for key, value in table.items()
        }


def settings_problems(
    error: ValidationError, model: type[BaseModel], where: str, expected: str
) -> Iterator[Problem]:
    """Problems of unknown keys (with similar ones) and wrong values.

    `where` names the settings in messages; `expected` refers to the description of allowed values.
    """
    for item in error.errors():
        place = ".".join(str(part) for part in item["loc"]) or "settings"
        if item["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            known = _known_keys(model, item["loc"][:-1])
            near = get_close_matches(str(item["loc"][-1]), known, n=2, cutoff=0.5)
            remedy = f"did you mean {' or '.join(near)}?" if near else "remove it or correct it"
            of_these = f"one of {', '.join(known)}" if known else "no settings"
            yield Problem(f"{where}, {place}", "unknown key", of_these, remedy)
        else:
            # a check of several settings together gets all of them as its input
            got = f" (got {item['input']!r:.200})" if item["loc"] else ""
            found = f"{item['msg'].removeprefix('Value error, ')}{got}"
            yield Problem(f"{where}, {place}", found, expected, "correct it")


def override(table: dict[str, Any], text: str) -> None:
    """Put `key=value` or `section.key=value` into a table; the value is TOML, or bare words.

    Raises DataContractError if there is no `=`, or if `section` is no table.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise DataContractError(
            Problem(f"--set {text}", "no '='", "key=value, e.g. train.epochs=5", "add a value")
        )
    try:
        parsed = tomllib.loads(f"value = {value}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        parsed = value.strip()  # bare words are a text: --set inputs.encoder=mean_colour
    *sections, last = key.strip().split(".")
    for section in sections:
        table = table.setdefault(section, {})
        if not isinstance(table, dict):
            raise DataContractError(
                Problem(f"--set {text}", f"{section} is no table", "key=value", "correct the key")
            )
    table[last] = parsed


def _is_list(kind: Any) -> bool:
    """Whether a field holds several values and no single text."""
    parts = set(get_args(kind)) - {NoneType} if get_origin(kind) in (Union, UnionType) else {kind}
    return all(get_origin(part) is tuple for part in parts)


def _known_keys(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    fields: Any = model
    for part in path:
        fields = fields.model_fields[str(part)].annotation
    names = getattr(fields, "model_fields", None)
    if names is None:
        names = fields.__dataclass_fields__
    return sorted(names)
