"""A finding read from its folder."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import FINDING_FILE, Finding, Number, PredictorOrigin


def _plain(name: str) -> str:
    if Path(name).name != name:
        raise ValueError(f"{name!r} is no plain file name")
    return name


_FileName = Annotated[str, AfterValidator(_plain)]


@dataclass(frozen=True)
class _SavedNumber:
    name: str
    meaning: str
    value: float | None
    low: float | None = None
    high: float | None = None

    def number(self) -> Number:
        """The number, NaN for null."""
        value = float("nan") if self.value is None else self.value
        return Number(self.name, value, self.meaning, self.low, self.high)


@dataclass(frozen=True)
class _SavedFinding:
    question: str
    about: Mapping[str, str]
    predictors: Sequence[PredictorOrigin]
    figures: Sequence[_FileName]
    tables: Sequence[_FileName]
    files: Sequence[_FileName]
    statistic: Sequence[_SavedNumber]
    null: Sequence[_SavedNumber]
    caveat: Sequence[str]


_FINDING = TypeAdapter(_SavedFinding)


def is_finding(folder: Path) -> bool:
    """Whether a folder holds the answer to a question."""
    return (folder / FINDING_FILE).is_file()


def read_finding(folder: Path) -> Finding:
    """Read a finding from the folder that `explain` wrote.

    Raises
    ------
    DataContractError
        if `finding.json` is missing or another version wrote it, and for each file that it names
        and the folder lacks.
    """
    path = folder / FINDING_FILE
    try:
        saved = _FINDING.validate_python(_read(path))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _unreadable(path, f"{place}: {first['msg']}") from None
    missing = [
        Problem(
            where=str(folder / name),
            found="no such file",
            expected="the files that the finding names",
            remedy="put the question again: `histoscribe explain` writes what is missing",
        )
        for name in (*saved.figures, *saved.tables, *saved.files)
        if not (folder / name).is_file()
    ]
    if missing:
        raise DataContractError(missing)
    return Finding(
        question=saved.question,
        about=saved.about,
        folder=folder,
        figures=tuple(saved.figures),
        tables=tuple(saved.tables),
        files=tuple(saved.files),
        statistic=tuple(number.number() for number in saved.statistic),
        null=tuple(number.number() for number in saved.null),
        caveat=tuple(saved.caveat),
        predictors=tuple(saved.predictors),
    )


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise _unreadable(path, "no such file") from None
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(path, f"no JSON: {error}") from None


def _unreadable(path: Path, found: str) -> DataContractError:
    return DataContractError(
        Problem(
            where=str(path),
            found=found,
            expected="a finding of this version of histoscribe",
            remedy="give a folder that `histoscribe explain` wrote, or put the question again",
        )
    )
