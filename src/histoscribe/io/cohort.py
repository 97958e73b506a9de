"""Cohorts: sections of a manifest or of the catalog, opened on first use."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.catalog import catalog_sources
from histoscribe.io.manifest import Manifest, read_manifest
from histoscribe.io.qc import Filters
from histoscribe.io.readers import read_section
from histoscribe.io.source import Source
from histoscribe.io.twins import patients_of, twin_images
from histoscribe.progress import track
from histoscribe.types import Cohort, CohortEntry, Section

_CATALOG = "catalog:"
_DEFAULT = Filters()


def read_cohort(
    source: str | Path, sections: Sequence[str] | None = None, filters: Filters = _DEFAULT
) -> Cohort:
    """Name the sections of a manifest (a CSV path) or of the catalog (`catalog:her2st`).

    No section is opened yet. `sections` chooses some by id. Raises one DataContractError with
    every problem that can be known without opening a section: missing files, an unknown kind, an
    empty patient, an id twice.
    """
    return _cohort(read_sources(source, sections), filters)


def read_sources(source: str | Path, sections: Sequence[str] | None = None) -> tuple[Source, ...]:
    """Say where each section lies, with its facts; raises like `read_cohort`."""
    found = _manifest(source, sections)
    if found.problems:
        raise DataContractError(found.problems)
    return found.sources


def check_cohort(
    source: str | Path, sections: Sequence[str] | None = None, filters: Filters = _DEFAULT
) -> list[Problem]:
    """Open every section, decode every image, and list all problems at once; empty if none.

    Two sections of one patient may share an image (one scan of two slices): that is no problem.
    """
    try:
        found = _manifest(source, sections)
    except DataContractError as error:
        return list(error.problems)
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
    leaking = [twins for twins in twin_images(sound) if len(patients_of(twins)) > 1]
    return problems + [_twin(twins) for twins in leaking]


def _manifest(source: str | Path, sections: Sequence[str] | None) -> Manifest:
    if str(source).startswith(_CATALOG):
        return Manifest(catalog_sources(str(source).removeprefix(_CATALOG), sections), ())
    return read_manifest(Path(source), sections)


def _cohort(sources: Sequence[Source], filters: Filters) -> Cohort:
    return Cohort(
        [CohortEntry(s.section, s.patient, partial(read_section, s, filters)) for s in sources]
    )


def _twin(twins: Sequence[Section]) -> Problem:
    return Problem(
        where=f"sections {' and '.join(twin.id for twin in twins)}",
        found=f"twins: their images have equal pixels (patient {' and '.join(patients_of(twins))})",
        expected="no image under two patients: it would be in training and in test",
        remedy="take one out, give each its own image, or correct the patient",
    )
