"""Prediction sets of a call: the tables of each foreign model, from files or from memory."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io.files import exists
from histoscribe.io.predictions.value_table import (
    ENDINGS,
    SECTION,
    AnyTable,
    ValueTable,
    is_table_file,
    read_value_table,
    table_stem,
    value_table_of,
)
from histoscribe.types import Cohort

AnyPrediction: TypeAlias = AnyTable | str | Path
"""A prediction in memory, or the path of a file or of a folder of files."""
AnyPredictions: TypeAlias = AnyPrediction | Sequence[AnyPrediction] | Mapping[str, Any]
"""Predictions of one model; or by section; or by model, each of these."""
UNNAMED = "prediction"
"""Name of a model whose predictions came from memory without a name."""


@dataclass(frozen=True, eq=False)
class PredictionSet:
    """Tables of one model, each with its section if the place of the table names it."""

    name: str
    tables: tuple[tuple[str | None, ValueTable], ...]


@dataclass(frozen=True)
class _Part:
    """One file or object of a prediction set, not read yet."""

    model: str
    section: str | None
    """Section that the call names; None leaves it to the table or the file name."""
    source: AnyPrediction
    where: str


def prediction_sets(
    predictions: AnyPredictions, cohort: Cohort, section_column: str = SECTION
) -> list[PredictionSet]:
    """Read all predictions of a call, one set a model.

    A file named after a section of the cohort belongs to the model named after its folder; another
    file is a model by itself. `NAME=PATH` names the model. A folder is a model with all files in
    it.

    Raises
    ------
    DataContractError
        listing every file that is missing, broken or of an unknown kind.
    """
    problems: list[Problem] = []
    sets: dict[str, list[tuple[str | None, ValueTable]]] = {}
    for part in _parts(predictions, cohort):
        try:
            with errors_told(part.where):
                table = _table(part, section_column)
        except DataContractError as error:
            problems += error.problems
        else:
            sets.setdefault(part.model, []).append((_section(part, table, cohort), table))
    if not sets and not problems:
        problems.append(
            Problem(
                where="predictions",
                found="no file with a prediction",
                expected=f"files ending in {', '.join(ENDINGS)}",
                remedy="give a file, or a folder with a file a section",
            )
        )
    if problems:
        raise DataContractError(problems)
    return [PredictionSet(name, tuple(tables)) for name, tables in sets.items()]


def _table(part: _Part, section_column: str) -> ValueTable:
    if not isinstance(part.source, str | Path):
        return value_table_of(part.source, part.where, section_column)
    path = Path(part.source)
    if exists(path) and not is_table_file(path):
        expected = f"a file ending in {', '.join(ENDINGS)}"
        remedy = "write the prediction as AnnData, with spots in obs and genes in var"
        raise DataContractError(Problem(part.where, "another kind of file", expected, remedy))
    return read_value_table(path, section_column)


def _section(part: _Part, table: ValueTable, cohort: Cohort) -> str | None:
    """Section that the call or the file name gives; None if the table says it by itself."""
    if part.section is not None or table.sections is not None:
        return part.section
    if isinstance(part.source, str | Path) and table_stem(Path(part.source)) in cohort.ids:
        return table_stem(Path(part.source))
    return cohort.ids[0] if len(cohort) == 1 else None


def _parts(predictions: AnyPredictions, cohort: Cohort) -> Iterator[_Part]:
    if isinstance(predictions, Mapping) and not set(predictions) & set(cohort.ids):
        for name, of_model in predictions.items():
            yield from _of_model(str(name), of_model)
    elif isinstance(predictions, Mapping):
        yield from _of_model(UNNAMED, predictions)
    else:
        for item in predictions if isinstance(predictions, list | tuple) else [predictions]:
            yield from _of_item(item, cohort)


def _of_model(name: str, predictions: Any) -> Iterator[_Part]:
    """Parts of one model: by section, several, or one."""
    if isinstance(predictions, Mapping):
        for section, item in predictions.items():
            yield _Part(name, str(section), item, f"{name}, section {section}")
        return
    for item in predictions if isinstance(predictions, list | tuple) else [predictions]:
        if isinstance(item, str | Path):
            yield from (_Part(name, None, path, str(path)) for path in _files(Path(item)))
        else:
            yield _Part(name, None, item, name)


def _of_item(item: AnyPrediction, cohort: Cohort) -> Iterator[_Part]:
    """Parts of an item without a model's name, except before `=` in a path."""
    if not isinstance(item, str | Path):
        yield _Part(UNNAMED, None, item, UNNAMED)
        return
    name, equals, path = str(item).partition("=")
    if equals and not exists(Path(item)):
        yield from _of_model(name, path)
        return
    path_of = Path(item).resolve()
    stem = table_stem(path_of)
    by_folder = stem in cohort.ids and not path_of.is_dir()
    name = path_of.parent.name if by_folder else path_of.name if path_of.is_dir() else stem
    yield from (_Part(name, None, file, str(file)) for file in _files(Path(item)))


def _files(path: Path) -> list[Path]:
    """Files of a folder and its folders that hold predictions; of a file, the file."""
    if not path.is_dir():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file() and is_table_file(file))
