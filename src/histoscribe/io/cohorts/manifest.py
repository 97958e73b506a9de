"""The manifest: a CSV with one section of a cohort per line."""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from histoscribe.errors import Problem
from histoscribe.io.cohorts.manifest_table import manifest_path, manifest_table
from histoscribe.io.cohorts.selection import Where, choose, facts_of
from histoscribe.io.sections.readers import READERS
from histoscribe.io.sections.source import (
    PATHS,
    Source,
    image_number,
    image_number_problems,
    is_file_name,
    missing_files,
    positive,
)
from histoscribe.io.slides.resolution import ORIGINS
from histoscribe.near_names import did_you_mean

_REQUIRED = ("section", "patient", "kind")
_OTHER = ("mpp", "mpp_from", "image_number")
_OF_READERS = (
    *("library", "layer", "genome", "pitch_um", "diameter_um", "st_technology"),
    *("pool", "pool_um", "aligned"),
)
"""Columns that single kinds of sections read; facts, too."""
KNOWN = (*_REQUIRED, *PATHS, *_OTHER, *_OF_READERS)
"""Columns of a manifest with a meaning; any other is a fact of its section."""


@dataclass(frozen=True)
class Manifest:
    """Readable rows of a manifest, and all its problems."""

    sources: tuple[Source, ...]
    """Rows without a problem."""
    problems: tuple[Problem, ...]


def read_manifest(
    path: Path, sections: Sequence[str] | None = None, where: Where | None = None
) -> Manifest:
    """Read a manifest without opening its sections; paths in it are relative to the manifest.

    With `sections` and `where` (column: value or values), only those lines count; problems of other
    lines are ignored.

    Columns: `section`, `patient`, `kind`; `path`, `image`, `counts`, `spots` as the kind needs;
    `mpp` (um/px) and `mpp_from` if known; `image_number` of a file with several images; every
    other column is a fact of the section. Raises DataContractError if the file is not such a table.
    """
    table = manifest_table(path, _REQUIRED, KNOWN)
    rows = [(line, row | {"kind": _kind(row["kind"])}) for line, row in table.rows]
    meant = {id(row) for row in choose([row for _, row in rows], where or {}, path.name)}
    known = sorted({row["section"] for _, row in rows})
    wanted = known if sections is None else sections
    repeated = {name for name, n in Counter(row["section"] for _, row in rows).items() if n > 1}
    sources: list[Source] = []
    problems = [_unknown(path, id_, known) for id_ in wanted if id_ not in known]
    for line, row in rows:
        if row["section"] not in wanted or id(row) not in meant:
            continue
        place = f"{path.name}, line {line}, section {row['section'] or '(no name)'}"
        source = _source(row, path.parent, table.notes)
        if found := _problems(place, row, repeated) + missing_files(source, place):
            problems += found
        else:
            sources.append(source)
    problems += _alike(path, [source.patient for source in sources])
    return Manifest(tuple(sources), tuple(problems))


def _unknown(path: Path, section: str, known: Sequence[str]) -> Problem:
    expected = f"one of {', '.join(known)}"
    remedy = did_you_mean(section, known, "correct the list of sections")
    return Problem(str(path), f"no section {section}", expected, remedy)


def _problems(where: str, row: Mapping[str, str], repeated: set[str]) -> list[Problem]:
    """Problems of a row that are visible without opening its files."""
    problems = []
    for column in ("section", "patient"):
        if row[column] and not is_file_name(row[column]):
            problems.append(
                Problem(
                    where,
                    f"{column} {row[column]!r}",
                    "a name that can be a folder: results are written to it",
                    "write it without slashes, control characters or a leading dot",
                )
            )
    if not row["section"]:
        problems.append(Problem(where, "the section is empty", "a name", "name the section"))
    if row["section"] in repeated:
        problems.append(
            Problem(where, "another line has this section id", "each id once", "rename one")
        )
    if not row["patient"]:
        problems.append(
            Problem(
                where,
                "the patient is empty",
                "the patient of the tissue: folds are made by patient",
                "fill the column `patient`; sections of one person share a name",
            )
        )
    problems += _kind_problems(where, row) + _mpp_problems(where, row)
    return problems + image_number_problems(where, row)


def _kind_problems(where: str, row: Mapping[str, str]) -> list[Problem]:
    if row["kind"] not in READERS:
        near = get_close_matches(row["kind"], READERS, n=1)
        remedy = f"did you mean {near[0]}?" if near else "correct the column `kind`"
        kinds = "; ".join(f"{kind} ({reader.what})" for kind, reader in READERS.items())
        return [Problem(where, f"kind {row['kind']!r}", f"one of {kinds}", remedy)]
    return [
        Problem(
            where,
            f"no {name}",
            f"kind {row['kind']} needs {', '.join(READERS[row['kind']].needs)}",
            f"fill the column `{name}`",
        )
        for name in READERS[row["kind"]].needs
        if not row.get(name)
    ]


def _mpp_problems(where: str, row: Mapping[str, str]) -> list[Problem]:
    problems = []
    if row.get("mpp") and positive(row["mpp"]) is None:
        problems.append(
            Problem(where, f"mpp {row['mpp']!r}", "um per px of the image, above 0", "correct it")
        )
    if row.get("mpp_from") and row["mpp_from"] not in ORIGINS:
        problems.append(
            Problem(
                where,
                f"mpp_from {row['mpp_from']!r}",
                f"one of {', '.join(ORIGINS)}",
                "correct it, or leave it empty",
            )
        )
    return problems


def _kind(text: str) -> str:
    """A kind in any spelling, e.g. `Space Ranger`; another word as written."""
    kinds = {kind.replace("_", ""): kind for kind in READERS}
    return kinds.get(re.sub(r"[\s_-]", "", text.casefold()), text)


def _alike(path: Path, patients: Sequence[str]) -> list[Problem]:
    """Problems of patients whose names look alike: one person under two names is in two folds."""
    names: dict[str, list[str]] = {}
    for patient in sorted(set(patients)):
        plain = " ".join(unicodedata.normalize("NFKC", patient).casefold().split())
        names.setdefault(plain, []).append(patient)
    return [
        Problem(
            where=str(path),
            found=f"patients {' and '.join(map(repr, alike))}, which differ in capitals, spaces or "
            "the coding of letters only",
            expected="one name for one person: folds are made by patient",
            remedy="write the same name, or names that differ in a letter or number",
        )
        for alike in names.values()
        if len(alike) > 1
    ]


def _source(row: Mapping[str, str], folder: Path, notes: tuple[str, ...]) -> Source:
    paths = {name: manifest_path(folder, row[name]) if row.get(name) else None for name in PATHS}
    return Source(
        section=row["section"],
        patient=row["patient"],
        kind=row["kind"],
        mpp=positive(row["mpp"]) if row.get("mpp") else None,
        mpp_from=row.get("mpp_from") or None,
        image_number=image_number(row.get("image_number", "")),
        path=paths["path"],
        image=paths["image"],
        counts=paths["counts"],
        spots=paths["spots"],
        alignment=paths["alignment"],
        notes=notes,
        facts=facts_of(row, (*_REQUIRED, *PATHS, *_OTHER)),
    )
