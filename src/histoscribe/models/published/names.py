r"""Names of published tensors, translated to ours by a table.

A table is TOML with

* `containers`: keys under which a file may keep its tensors, in the order of their use;
* `prefixes`: beginnings of names, each removed once where it occurs;
* `[left_out]`: pattern of a whole name = the reason to leave the tensor out;
* `[names]`: pattern = replacement, each applied in turn to what the ones before made of a name.

Patterns are Python's regular expressions; `\1` in a replacement is the first group.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from pydantic import ValidationError

from histoscribe.errors import DataContractError, Problem
from histoscribe.strict import StrictSettings, settings_problems

_GROUP = re.compile(r"\\(\d+)")
_NUMBER = re.compile(r"\d+")
_FORM = "containers and prefixes, lists of text; [left_out] and [names], tables of text"


class NameTable(StrictSettings):
    """Rules that lead from published names to ours; see the head of this file."""

    containers: tuple[str, ...] = ()
    """Keys under which a file may keep its tensors."""
    prefixes: tuple[str, ...] = ()
    """Beginnings of names that are removed."""
    left_out: Mapping[str, str] = {}
    """Reason to leave out the tensors whose name matches a pattern."""
    names: Mapping[str, str]
    """Replacement of each pattern."""

    def place(self, name: str) -> "TensorPlace":
        """TensorPlace of a published tensor."""
        bare = name
        for start in self.prefixes:
            bare = bare.removeprefix(start)
        prefix = name.removesuffix(bare)
        for pattern, reason in self.left_out.items():
            if re.fullmatch(pattern, bare):
                return TensorPlace(name, None, prefix, reason)
        ours = bare
        for pattern, replacement in self.names.items():
            ours = re.sub(pattern, replacement, ours)
        return TensorPlace(name, ours, prefix)


@dataclass(frozen=True)
class TensorPlace:
    """Where a published tensor belongs."""

    published: str
    """Name in the file."""
    ours: str | None
    """Name in our network; None for a tensor that is left out."""
    prefix: str
    """Beginning of the name that was removed; empty if there was none."""
    reason: str = ""
    """Reason to leave it out."""


def published_names() -> NameTable:
    """Table of CMT and TCGN, which comes with the package."""
    table = files("histoscribe.models.published").joinpath("tcgn.toml")
    return parse_names(table.read_text("utf-8"), "tcgn.toml")


def read_names(path: Path) -> NameTable:
    """Read a table of names.

    Raises
    ------
    DataContractError
        if the file cannot be read, or is no such table.
    """
    try:
        return parse_names(path.read_text("utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataContractError(
            Problem(str(path), f"a table that cannot be read ({error})", _FORM, "correct the path")
        ) from None


def parse_names(text: str, where: str) -> NameTable:
    """Check a table of names. Raises DataContractError with all its problems."""
    try:
        table = NameTable.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise DataContractError(Problem(where, f"no TOML: {error}", _FORM, "correct it")) from None
    except ValidationError as error:
        raise DataContractError(settings_problems(error, NameTable, where, _FORM)) from None
    problems = [*_pattern_problems(table, where)]
    if problems:
        raise DataContractError(problems)
    return table


def grouped(names: Iterable[str]) -> str:
    """Names in short: layers that differ in numbers only are one, with the count of tensors."""
    layers: dict[str, list[str]] = {}
    for name in names:
        layers.setdefault(without_numbers(name.rpartition(".")[0] or name), []).append(name)
    return ", ".join(
        f"{layer}.* ({len(members)})" if len(members) > 1 else members[0]
        for layer, members in layers.items()
    )


def without_numbers(name: str) -> str:
    """Name with `#` for each number."""
    return _NUMBER.sub("#", name)


def _pattern_problems(table: NameTable, where: str) -> Iterator[Problem]:
    for pattern, replacement in [*((p, "") for p in table.left_out), *table.names.items()]:
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            yield Problem(
                f"{where}, {pattern!r}",
                f"no pattern: {error}",
                "a regular expression",
                "correct it",
            )
            continue
        missing = [group for group in map(int, _GROUP.findall(replacement)) if group > groups]
        if missing:
            yield Problem(
                where=f"{where}, {pattern!r}",
                found=f"a replacement that names group {missing[0]}",
                expected=f"one of the {groups} groups of the pattern",
                remedy="put brackets around that part of the pattern, or correct the number",
            )
