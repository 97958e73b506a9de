"""Slides of patients whose expression was measured in bulk: a manifest with one slide a line."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.manifest_table import manifest_path, manifest_table
from histoscribe.io.cohorts.patient_sites import patients_on_two_sites
from histoscribe.io.cohorts.selection import facts_of
from histoscribe.io.files import no_file
from histoscribe.io.sections.source import (
    image_number,
    image_number_problems,
    is_file_name,
    positive,
)

_REQUIRED = ("patient", "slide")
_FIELDS = (*_REQUIRED, "mpp", "mpp_from", "image_number")
_MPP_FROM = ("user", "metadata")


@dataclass(frozen=True, kw_only=True)
class SlideSource:
    """One slide of a patient, as the manifest lists it."""

    section: str
    """Name of the slide: its file name without the ending."""
    patient: str
    path: Path
    mpp: float | None = None
    """um per level-0 px according to the user."""
    mpp_from: str | None = None
    """Which um/px to trust if the user's and the file's differ: `user` or `metadata`."""
    image_number: int | None = None
    """Image of a file with several, from 1; None takes the largest."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Other columns that are not empty, e.g. the site."""


def read_slides(path: Path) -> tuple[SlideSource, ...]:
    """Read a manifest of slides without opening them; paths in it are relative to the manifest.

    Columns: `patient` and `slide`; `mpp` (um/px) where a slide does not state it; `mpp_from` and
    `image_number` where needed; `site`; every other column is a fact of the slide.

    Raises
    ------
    DataContractError
        listing empty cells, missing files, slides that repeat, and patients on two sites.
    """
    rows = manifest_table(path, _REQUIRED, (*_FIELDS, "site")).rows
    problems = [problem for line, row in rows for problem in _row_problems(path, line, row)]
    sources = [_source(row, path.parent) for _, row in rows if row["patient"] and row["slide"]]
    problems += _repeated(path, sources)
    problems += patients_on_two_sites([(of.patient, of.facts) for of in sources], path.name)
    if problems:
        raise DataContractError(problems)
    return tuple(sources)


def slide_name(path: Path) -> str:
    """Name of a slide's section: its file name without the ending.

    >>> slide_name(Path("slides/TCGA-AA-3516-01A-01-TS1.svs"))
    'TCGA-AA-3516-01A-01-TS1'
    """
    return path.stem.removesuffix(".ome")


def _source(row: Mapping[str, str], folder: Path) -> SlideSource:
    path = manifest_path(folder, row["slide"])
    return SlideSource(
        section=slide_name(path),
        patient=row["patient"],
        path=path,
        mpp=positive(row.get("mpp", "")),
        mpp_from=row.get("mpp_from") or None,
        image_number=image_number(row.get("image_number", "")),
        facts=facts_of(row, _FIELDS),
    )


def _row_problems(path: Path, line: int, row: Mapping[str, str]) -> Iterator[Problem]:
    where = f"{path.name}, line {line}"
    for column in _REQUIRED:
        if not row[column]:
            yield Problem(where, f"the {column} is empty", f"a {column}", f"fill `{column}`")
    if row["patient"] and not is_file_name(row["patient"]):
        expected = "a name that can be a folder: results are written to it"
        remedy = "write it without slashes, control characters or a leading dot"
        yield Problem(where, f"patient {row['patient']!r}", expected, remedy)
    slide = manifest_path(path.parent, row["slide"])
    if row["slide"] and no_file(slide):
        yield Problem(
            where,
            f"the slide does not exist: {slide}",
            "a path relative to the manifest, or a full one",
            "correct the column `slide`",
        )
    if row.get("mpp") and positive(row["mpp"]) is None:
        yield Problem(where, f"mpp {row['mpp']!r}", "um per px of the slide, above 0", "correct it")
    if row.get("mpp_from") and row["mpp_from"] not in _MPP_FROM:
        expected = f"{' or '.join(_MPP_FROM)}, or nothing"
        yield Problem(where, f"mpp_from {row['mpp_from']!r}", expected, "correct it")
    yield from image_number_problems(where, row)


def _repeated(path: Path, sources: Sequence[SlideSource]) -> Iterator[Problem]:
    times = Counter(of.section for of in sources)
    for section in sorted(name for name, n in times.items() if n > 1):
        patients = sorted({of.patient for of in sources if of.section == section})
        yield Problem(
            where=f"{path.name}, slide {section}",
            found=f"{times[section]} lines, of patient {' and '.join(patients)}",
            expected="each slide once: results are named after it",
            remedy="remove the copies, or rename the file",
        )
