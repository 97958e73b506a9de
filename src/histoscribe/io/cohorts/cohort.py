"""Cohorts: sections of a manifest, the catalog, a HEST or ST-Net folder, opened on first use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.catalog import catalog_sources
from histoscribe.io.cohorts.hest_folder import hest_sources
from histoscribe.io.cohorts.manifest import Manifest, read_manifest
from histoscribe.io.cohorts.selection import Where
from histoscribe.io.cohorts.stnet_folder import stnet_sources
from histoscribe.io.cohorts.twins import patients_of, twin_images
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from histoscribe.io.sections.source import Source
from histoscribe.progress import track
from histoscribe.types import Cohort, CohortEntry, Section

_CATALOG = "catalog:"
_FOLDERS = {"hest:": hest_sources, "stnet:": stnet_sources}
"""Prefix of a cohort's name -> the function that lists the sections of the folder after it."""
COHORT_NAMES = ", ".join(["manifest (.csv)", "catalog:NAME", *(f"{p}FOLDER" for p in _FOLDERS)])
"""How a cohort can be named, for messages and help."""
_DEFAULT = Filters()


def read_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> Cohort:
    """Name the sections of a manifest (a CSV path), of the catalog or of a folder.

    `catalog:her2st` is a data set of the catalog, `hest:FOLDER` a folder laid out like HEST-1k and
    `stnet:FOLDER` one like the ST-Net data set. No section is opened yet. `sections` chooses some
    by id, `where` by columns of the manifest or of the folder's metadata (column: value or values).
    Raises one DataContractError with every problem that can be known without opening a section:
    missing files, an unknown kind, an empty patient, an id twice, a column or value that is not
    there.
    """
    return _cohort(read_sources(source, sections, where), filters)


def read_sources(
    source: str | Path, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Say where each section lies, with its facts; raises like `read_cohort`."""
    found = _manifest(source, sections, where)
    if found.problems:
        raise DataContractError(found.problems)
    return found.sources


def is_cohort_name(text: str) -> bool:
    """Whether a text names a cohort: a manifest by its ending, all others by their prefix."""
    return text.startswith((_CATALOG, *_FOLDERS)) or text.lower().endswith(".csv")


def resolved(source: str, folder: Path) -> str:
    """The cohort of a settings file in `folder`, so that it is the same from everywhere."""
    if source.startswith(_CATALOG):
        return source
    prefix = _prefix(source)
    return prefix + str((folder / source.removeprefix(prefix)).resolve())


@dataclass(frozen=True, eq=False)
class Checked:
    """A cohort after every section was opened and every image decoded."""

    sections: tuple[Section, ...]
    """Those that opened, kept open."""
    problems: tuple[Problem, ...]
    twins: tuple[tuple[Section, ...], ...]
    """Sections with equal pixels. One scan may serve two sections of a patient; under two
    patients it is among the problems."""


def checked_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> Checked:
    """Open every section and decode every image; all problems come at once."""
    try:
        found = _manifest(source, sections, where)
    except DataContractError as error:
        return Checked((), error.problems, ())
    problems: list[Problem] = list(found.problems)
    sound: list[Section] = []
    cohort = _cohort(found.sources, filters)
    for id_ in track(cohort.ids, "sections checked"):
        try:
            cohort[id_].slide.pixel_hash()
        except DataContractError as error:
            problems += error.problems
        else:
            sound.append(cohort[id_])
    twins = tuple(twin_images(sound))
    problems += [_twin(pair) for pair in twins if len(patients_of(pair)) > 1]
    return Checked(tuple(sound), tuple(problems), twins)


def check_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> list[Problem]:
    """List all problems of a cohort at once, as `checked_cohort` finds them; empty if none."""
    return list(checked_cohort(source, sections, filters, where).problems)


def _manifest(source: str | Path, sections: Sequence[str] | None, where: Where | None) -> Manifest:
    text = str(source)
    if text.startswith(_CATALOG):
        return Manifest(catalog_sources(text.removeprefix(_CATALOG), sections, where), ())
    if prefix := _prefix(text):
        folder = Path(text.removeprefix(prefix))
        return Manifest(_FOLDERS[prefix](folder, sections, where), ())
    return read_manifest(Path(source), sections, where)


def _prefix(source: str) -> str:
    """What a folder's name begins with; empty for a manifest."""
    return next((prefix for prefix in _FOLDERS if source.startswith(prefix)), "")


def _cohort(sources: Sequence[Source], filters: Filters) -> Cohort:
    return Cohort(
        [
            CohortEntry(s.section, s.patient, partial(read_section, s, filters), s.facts)
            for s in sources
        ]
    )


def _twin(twins: Sequence[Section]) -> Problem:
    return Problem(
        where=f"sections {' and '.join(twin.id for twin in twins)}",
        found=f"twins: their images have equal pixels (patient {' and '.join(patients_of(twins))})",
        expected="no image under two patients: it would be in training and in test",
        remedy="take one out, give each its own image, or correct the patient",
    )
