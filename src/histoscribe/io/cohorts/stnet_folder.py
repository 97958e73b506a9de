"""A folder of the ST-Net data set as a cohort: its sections by `metadata.csv`."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from io import StringIO
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.selection import Where, choose, facts_of
from histoscribe.io.files import no_file, read_text
from histoscribe.io.sections.source import Source, is_file_name
from histoscribe.near_names import each_meant

METADATA = "metadata.csv"
DATA_URL = "https://data.mendeley.com/datasets/29ntw7sh4r/5"
_INSIDE = "Human breast cancer in situ capturing transcriptomics"
"""Folder name inside the published archive."""
_FILES = ("histology_image", "count_matrix", "spot_coordinates")
"""Columns of the metadata that name files. Names are not guessed: BT and BC are mixed in them."""
_NAMES = {
    "patient": "the patient of the tissue: folds are made by patient",
    "replicate": "the section's number within the patient",
}
"""Columns that identify a section, and their meaning."""


def stnet_sources(
    folder: Path, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Sources of the sections of an ST-Net folder; a section is `<patient>_<replicate>`.

    The metadata has the columns `type` (subtype), `patient`, `replicate` and the names of image,
    count table and spot file; each file lies next to it as published, or unpacked (without `.gz`).
    `where` selects by its columns, e.g. `type = "Luminal_A"`, and by `section`.

    Raises
    ------
    DataContractError
        listing missing columns, lines without a patient or replicate, repeated sections, missing
        files, and missing columns or values of `where`.
    """
    home = _home(folder)
    rows = _rows(home / METADATA)
    known = [row["section"] for row in rows]
    if unknown := [id_ for id_ in sections or () if id_ not in known]:
        found = f"no section {', '.join(unknown)}"
        expected = f"some of {', '.join(known)}"
        remedy = each_meant(unknown, known, "correct the list of sections")
        raise DataContractError(Problem(str(home), found, expected, remedy))
    by_id = {row["section"]: row for row in rows}
    asked = rows if sections is None else [by_id[id_] for id_ in sections]
    chosen = choose(asked, where or {}, f"the metadata of {home}")
    if problems := [problem for row in chosen for problem in _missing(home, row)]:
        raise DataContractError(problems)
    return tuple(_source(home, row) for row in chosen)


def _home(folder: Path) -> Path:
    """Folder of the metadata: `folder`, or the archive's folder inside it."""
    for home in (folder, folder / _INSIDE):
        if (home / METADATA).is_file():
            return home
    raise DataContractError(
        Problem(
            where=str(folder),
            found=f"no {METADATA}" if folder.is_dir() else "no such folder",
            expected=f"{METADATA} of the ST-Net data set next to its images, counts and spots",
            remedy=f"download the data set from {DATA_URL} and unpack it there",
        )
    )


def _rows(path: Path) -> list[dict[str, str]]:
    """One section per line, with its name in the column `section`."""
    try:
        lines = list(csv.DictReader(StringIO(read_text(path, "a CSV file")), strict=True))
    except csv.Error as error:
        raise DataContractError(
            Problem(str(path), f"cannot be read ({error})", "a CSV file in UTF-8", _AGAIN)
        ) from error
    rows = [_stripped(line) for line in lines]
    if problems := list(_problems(path, rows)):
        raise DataContractError(problems)
    return [{**row, "section": f"{row['patient']}_{row['replicate']}"} for row in rows]


_AGAIN = f"take {METADATA} as it is published on {DATA_URL}"
_A_FILE = "the name of a file next to the metadata"


def _stripped(line: Mapping[str | None, object]) -> dict[str, str]:
    """Cells of the named columns; empty cells where a line is too short."""
    return {
        name.strip(): value.strip() if isinstance(value, str) else ""
        for name, value in line.items()
        if name
    }


def _problems(path: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[Problem]:
    columns = (*_NAMES, *_FILES)
    missing = [name for name in columns if not rows or name not in rows[0]]
    if missing:
        found = f"no column {', '.join(missing)}" if rows else "no line below the header"
        yield Problem(str(path), found, f"the columns {', '.join(columns)}", _AGAIN)
        return
    for number, row in enumerate(rows, start=2):
        for name in columns:
            if not row[name] or not is_file_name(row[name]):
                found = f"{name} {row[name]!r}" if row[name] else f"the {name} is empty"
                yield Problem(f"{path}, line {number}", found, _NAMES.get(name, _A_FILE), _AGAIN)
    named = Counter(tuple(row[name] for name in _NAMES) for row in rows)
    for names, n in named.items():
        if n > 1:
            found = f"{n} lines of section {'_'.join(names)}"
            yield Problem(str(path), found, "each section once", _AGAIN)


def _missing(home: Path, row: Mapping[str, str]) -> list[Problem]:
    return [
        Problem(
            where=f"section {row['section']}",
            found=f"missing: {home / row[column]}",
            expected=f"the file that {METADATA} names in the column `{column}`, "
            "or the same without .gz",
            remedy=f"get it from {DATA_URL}, or select the sections that are here with `sections`",
        )
        for column in _FILES
        if _find(home, row[column]) is None
    ]


def _find(home: Path, name: str) -> Path | None:
    """Path of the file as published, or unpacked."""
    candidates = (home / name, home / name.removesuffix(".gz"))
    return next((path for path in candidates if not no_file(path)), None)


def _source(home: Path, row: Mapping[str, str]) -> Source:
    return Source(
        section=row["section"],
        patient=row["patient"],
        kind="stnet",
        image=_find(home, row["histology_image"]),
        counts=_find(home, row["count_matrix"]),
        spots=_find(home, row["spot_coordinates"]),
        facts=facts_of(row, ("section", "patient", *_FILES)),
    )
