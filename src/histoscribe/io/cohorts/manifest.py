"""The manifest: a CSV with one section of a cohort per line."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.selection import Where, choose, facts_of
from histoscribe.io.sections.readers import READERS
from histoscribe.io.sections.source import PATHS, Source, is_file_name, missing_files, positive
from histoscribe.io.slides.resolution import ORIGINS

_REQUIRED = ("section", "patient", "kind")
_OTHER = ("mpp", "mpp_from")


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
    `mpp` (um/px) and `mpp_from` if known; every other column is a fact of the section. Raises
    DataContractError if the file is not such a table.
    """
    rows = manifest_rows(path, _REQUIRED)
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
        source = _source(row, path.parent)
        if found := _problems(place, row, repeated) + missing_files(source, place):
            problems += found
        else:
            sources.append(source)
    return Manifest(tuple(sources), tuple(problems))


def _unknown(path: Path, section: str, known: Sequence[str]) -> Problem:
    expected = f"one of {', '.join(known)}"
    return Problem(str(path), f"no section {section}", expected, "correct the list of sections")


def manifest_rows(path: Path, required: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Line number and cells of each line with content, of a CSV file with these columns.

    Raises DataContractError for a file without them, or with ragged lines.
    """
    try:
        # spreadsheets put a byte order mark before the first column's name
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataContractError(
            Problem(str(path), f"cannot be read ({error})", "a CSV file in UTF-8", "check the path")
        ) from error
    header = [name.strip() for name in lines[0]] if lines else []
    missing = [name for name in required if name not in header]
    body = [(n, line) for n, line in enumerate(lines[1:], start=2) if "".join(line).strip()]
    ragged = [number for number, line in body if len(line) != len(header)]
    wrong = {
        f"no column {', '.join(missing)}": missing,
        f"lines of another length than the header: {ragged}": ragged,
        "no section": not body,
        "a column twice": len(set(header)) != len(header),
    }
    if found := [what for what, is_so in wrong.items() if is_so]:
        expected = f"a header with {', '.join(required)} (comma-separated) and one line per section"
        raise DataContractError(
            Problem(str(path), "; ".join(found), expected, "correct the manifest")
        )
    return [
        (number, {name: cell.strip() for name, cell in zip(header, line, strict=True)})
        for number, line in body
    ]


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
    return problems + _kind_problems(where, row) + _mpp_problems(where, row)


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


def _source(row: Mapping[str, str], folder: Path) -> Source:
    paths = {name: folder / row[name] if row.get(name) else None for name in PATHS}
    return Source(
        section=row["section"],
        patient=row["patient"],
        kind=row["kind"],
        mpp=positive(row["mpp"]) if row.get("mpp") else None,
        mpp_from=row.get("mpp_from") or None,
        path=paths["path"],
        image=paths["image"],
        counts=paths["counts"],
        spots=paths["spots"],
        facts=facts_of(row, (*_REQUIRED, *PATHS, *_OTHER)),
    )
