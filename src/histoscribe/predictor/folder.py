"""Files of a predictor folder, verified by checksum."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import write_json
from histoscribe.predictor.gene_scores import GENES_FILE
from histoscribe.predictor.model_card import CARD_FILE
from histoscribe.predictor.record import check_record
from histoscribe.predictor.steering_curve import STEERING_FILE
from histoscribe.predictor.training_curve import TRAINING_FILE
from histoscribe.types import TrainingCard

FORMAT = 7
RECORD = "predictor.json"
IDENTITY = ("settings.toml", "pathways.json", "expression.sha256", "model_sources.json")
"""Files with the settings and sources of a training; listed in the record where they are there."""
_OWN = ("*.safetensors", CARD_FILE, GENES_FILE, TRAINING_FILE, STEERING_FILE)
"""File names reserved for predictors: each must be listed in the folder's record."""


def is_predictor(folder: Path) -> bool:
    """Whether a folder holds a finished predictor."""
    return (folder / RECORD).is_file()


def begin(folder: Path) -> None:
    """Prepare a predictor folder, which becomes valid with its record.

    Files of a killed save are removed, because the record of another save does not list them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / RECORD).unlink(missing_ok=True)
    for path in _own_files(folder):
        path.unlink()


def write_record(folder: Path, record: Mapping[str, Any], files: tuple[str, ...]) -> str:
    """Write the record with the sha256 of every file and of itself; returns the file's sha256."""
    files = (*files, *(name for name in IDENTITY if (folder / name).is_file()))
    whole = {"format": FORMAT, **record, "files": {name: sha256(folder / name) for name in files}}
    check_record(whole, str(folder / RECORD))
    write_json(folder / RECORD, {**whole, "sha256": _record_hash(whole)})
    return sha256(folder / RECORD)


def read_record(folder: Path) -> dict[str, Any]:
    """Read the record of a folder, and verify its files by checksum.

    Raises
    ------
    DataContractError
        listing every file that is missing, changed or not in the record; and for a folder that is
        no predictor or has another format.
    """
    if not is_predictor(folder):
        raise DataContractError(
            Problem(
                str(folder), f"no {RECORD}", "a predictor folder", "give one that `train` wrote"
            )
        )
    record = _record(folder / RECORD)
    problems = [p for name, sha in record["files"].items() for p in _changed(folder / name, sha)]
    problems += _unlisted(folder, record["files"])
    if problems:
        raise DataContractError(problems)
    return record


def read_training_card(folder: Path) -> TrainingCard:
    """What the predictor in a folder was trained on; see `read_record`."""
    return card_of_record(read_record(folder), folder)


def card_of_record(record: Mapping[str, Any], folder: Path) -> TrainingCard:
    """Card from the record of this folder.

    Raises
    ------
    DataContractError
        Another version wrote it.
    """
    remedy = "use the histoscribe version that wrote it, or train it again"
    return TrainingCard.from_json(record["card"], f"{folder / RECORD}, card", remedy)


def sha256(path: Path) -> str:
    """Sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _record(path: Path) -> dict[str, Any]:
    try:
        record = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except (ValueError, OSError, RecursionError) as error:
        raise DataContractError(_damaged(path, f"not readable: {error}")) from None
    if not isinstance(record, dict) or record.get("format") != FORMAT:
        found = record.get("format") if isinstance(record, dict) else type(record).__name__
        raise DataContractError(
            Problem(
                where=str(path),
                found=f"format {found}",
                expected=f"format {FORMAT}",
                remedy="train it again with this version: histoscribe train SETTINGS.toml --out "
                f"{path.parent}, a new folder",
            )
        )
    recorded = record.pop("sha256", None)
    if recorded != _record_hash(record):
        raise DataContractError(_damaged(path, f"content that is not of sha256 {recorded}"))
    check_record(record, str(path))
    return record


def _no_number(text: str) -> float:
    raise ValueError(f"{text}, which is no finite number")


def _changed(path: Path, sha: str) -> list[Problem]:
    found = sha256(path) if path.is_file() else "no such file"
    if found == sha:
        return []
    return [_damaged(path, found, f"sha256 {sha}, ")]


def _unlisted(folder: Path, listed: Mapping[str, str]) -> Iterator[Problem]:
    there = {path.name for path in _own_files(folder)}
    for name in sorted(there - set(listed)):
        yield Problem(
            where=str(folder / name),
            found=f"a file that {RECORD} does not list",
            expected=f"{', '.join(sorted(listed))}, and no other file of a predictor",
            remedy="the folder holds parts of two predictors: copy or train it again",
        )


def _own_files(folder: Path) -> list[Path]:
    return [path for pattern in _OWN for path in folder.glob(pattern)]


def _damaged(path: Path, found: str, expected: str = "the file ") -> Problem:
    return Problem(
        where=str(path),
        found=found,
        expected=f"{expected}as recorded when the predictor was saved",
        remedy="the folder was changed or copied in part: copy or train it again",
    )


def _record_hash(record: Mapping[str, Any]) -> str:
    """Sha256 of a record's values, independent of the layout of its file."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()
