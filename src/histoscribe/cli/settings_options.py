"""Command line options made from the fields of a settings record, and their values read back."""

from collections.abc import Iterator, Mapping
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from histoscribe.errors import DataContractError, Problem

_METAVARS = {int: "INTEGER", float: "NUMBER", Path: "FILE", str: "TEXT"}


def option_parameters(settings: type[BaseModel]) -> Iterator[Parameter]:
    """One parameter a field, as typer reads them; none is required, and None means not given."""
    for name, field in settings.model_fields.items():
        kind = _kind(field)
        several = get_origin(kind) is tuple or _is_mapping(kind)
        value = bool if kind is bool else list[str] if several else str
        flag = option_name(name, field)
        info = typer.Option(
            f"{flag}/--no-{flag[2:]}" if kind is bool else flag,
            metavar=None if kind is bool else _metavar(kind),
            help=_help(field, several=several),
            show_default=_default(field),
        )
        annotation = Annotated[value | None, info]  # type: ignore[valid-type]
        yield Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def option_values(settings: type[BaseModel], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were given, by field, as the settings record checks them.

    Raises DataContractError that lists every `KEY=VALUE` without `=`.
    """
    problems: list[Problem] = []
    values: dict[str, Any] = {}
    for name, value in options.items():
        field = settings.model_fields[name]
        if value is None or value == []:
            continue
        if _is_mapping(_kind(field)):
            parts = [item.partition("=") for item in value]
            problems += [
                Problem(
                    where=f"{option_name(name, field)} {key}",
                    found="no '='",
                    expected=_metavar(_kind(field)),
                    remedy="add = and the value",
                )
                for key, equals, _ in parts
                if not equals
            ]
            values[name] = {key: text for key, _, text in parts}
        else:
            values[name] = value
    if problems:
        raise DataContractError(problems)
    return values


def option_name(name: str, field: FieldInfo) -> str:
    """The option of a field; a list is given one by one, so its option is in the singular."""
    one = name.removesuffix("s") if get_origin(_kind(field)) is tuple else name
    return f"--{one.replace('_', '-')}"


def _kind(field: FieldInfo) -> Any:
    """Python type of a field; `str | None` counts as `str`."""
    kind: Any = field.annotation
    parts = [part for part in get_args(kind) if part is not type(None)]
    return parts[0] if type(None) in get_args(kind) and len(parts) == 1 else kind


def _is_mapping(kind: Any) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _metavar(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return "|".join(map(str, get_args(kind)))
    if get_origin(kind) is tuple:
        return _metavar(get_args(kind)[0])
    if _is_mapping(kind):
        return f"NAME={_metavar(get_args(kind)[1])}"
    return _METAVARS.get(kind, "TEXT")


def _help(field: FieldInfo, *, several: bool) -> str:
    words = " ".join((field.description or "").split()).rstrip(".")
    if field.is_required():
        words += " (required)"
    return f"{words}. Repeatable." if several else f"{words}."


def _default(field: FieldInfo) -> str | bool:
    """Default as printed in the help; False for no default."""
    if field.is_required() or field.default in (None, (), {}):
        return False
    if isinstance(field.default, tuple):
        return ", ".join(map(str, field.default))
    return str(field.default)
