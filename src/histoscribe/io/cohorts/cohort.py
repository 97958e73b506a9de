"""Cohorts: sections of a manifest, the catalog, a HEST or ST-Net folder, opened on first use."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from histoscribe.errors import DataContractError, Problem, errors_told
from histoscribe.io.cohorts.catalog import catalog_sources
from histoscribe.io.cohorts.gene_overlap import gene_problems
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

MEMORY = "memory"
"""Name of a cohort that was handed over in Python."""
_CATALOG = "catalog:"
_FOLDERS = {"hest:": hest_sources, "stnet:": stnet_sources}
"""Prefix of a cohort's name -> function that lists the sections of a folder."""
COHORT_NAMES = ", ".join(["manifest (.csv)", "catalog:NAME", *(f"{p}FOLDER" for p in _FOLDERS)])
"""Forms of a cohort's name, for messages and help."""
_DEFAULT = Filters()


def read_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> Cohort:
    """List the sections of a manifest (a CSV path), of the catalog or of a folder.

    No section is opened yet.

    Parameters
    ----------
    source
        The path of a manifest, `catalog:NAME` (e.g. `catalog:her2st`), `hest:FOLDER` for a folder
        laid out like HEST-1k, or `stnet:FOLDER` for one like the ST-Net data set.
    sections
        Ids of the sections to take; all by default.
    filters
        Which spots are left out.
    where
        Take sections with this value, or one of these, in a column of the manifest or of the
        folder's metadata.

    Raises
    ------
    DataContractError
        with every problem that is visible without opening a section: missing files, an
        unknown kind, an empty patient, a repeated id, a missing column or value.

    Examples
    --------
    >>> import histoscribe as hs
    >>> cohort = hs.read_cohort("cohort.csv", where={"site": "skin"})  # doctest: +SKIP
    >>> cohort.ids  # doctest: +SKIP
    """
    return _cohort(read_sources(source, sections, where), filters)


def read_sources(
    source: str | Path, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Sources of the sections, with their facts; raises like `read_cohort`."""
    found = _manifest(source, sections, where)
    if found.problems:
        raise DataContractError(found.problems)
    return found.sources


def is_cohort_name(text: str) -> bool:
    """Whether a text names a cohort: a manifest by its ending, all others by their prefix."""
    return text.startswith((_CATALOG, *_FOLDERS)) or text.lower().endswith(".csv")


def resolved(source: str, folder: Path) -> str:
    """Cohort name with paths relative to `folder` made absolute."""
    if source.startswith(_CATALOG) or source == MEMORY:
        return source
    prefix = _prefix(source)
    return prefix + str((folder / source.removeprefix(prefix)).resolve())


def cohort_folders(source: str) -> tuple[Path, ...]:
    """Folder of a cohort's files; none for catalogs and for cohorts in memory."""
    if source.startswith(_CATALOG) or source == MEMORY:
        return ()
    prefix = _prefix(source)
    path = Path(source.removeprefix(prefix))
    return (path if prefix else path.parent,)


@dataclass(frozen=True, eq=False)
class Checked:
    """A cohort after every section was opened and every image decoded."""

    sections: tuple[Section, ...]
    """Sections that could be opened, still open."""
    problems: tuple[Problem, ...]
    twins: tuple[tuple[Section, ...], ...]
    """Sections with equal pixels. Two sections of a patient may share one scan; under two patients
    it is a problem.
    """


def checked_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> Checked:
    """Open every section and decode every image; report all problems at once."""
    try:
        found = _manifest(source, sections, where)
    except DataContractError as error:
        return Checked((), error.problems, ())
    problems: list[Problem] = list(found.problems)
    sound: list[Section] = []
    cohort = _cohort(found.sources, filters)
    for id_ in track(cohort.ids, "sections checked"):
        try:
            with errors_told(f"section {id_}"):
                cohort[id_].slide.pixel_hash()
        except DataContractError as error:
            problems += error.problems
        else:
            sound.append(cohort[id_])
    twins = tuple(twin_images(sound))
    problems += gene_problems(sound)
    problems += [_twin(pair) for pair in twins if len(patients_of(pair)) > 1]
    return Checked(tuple(sound), tuple(problems), twins)


def check_cohort(
    source: str | Path,
    sections: Sequence[str] | None = None,
    filters: Filters = _DEFAULT,
    where: Where | None = None,
) -> list[Problem]:
    """All problems of a cohort, as `checked_cohort` collects them; empty if there are none."""
    return list(checked_cohort(source, sections, filters, where).problems)


def _manifest(source: str | Path, sections: Sequence[str] | None, where: Where | None) -> Manifest:
    text = str(source)
    if text == MEMORY:
        raise DataContractError(_NOT_IN_A_FILE)
    if text.startswith(_CATALOG):
        return Manifest(catalog_sources(text.removeprefix(_CATALOG), sections, where), ())
    if prefix := _prefix(text):
        folder = Path(text.removeprefix(prefix))
        return Manifest(_FOLDERS[prefix](folder, sections, where), ())
    return read_manifest(Path(source), sections, where)


_NOT_IN_A_FILE = Problem(
    where=f"cohort {MEMORY!r}",
    found="a cohort that was in the memory of Python when these settings were written",
    expected="a manifest, a name of the catalog, or the cohort itself",
    remedy="call hs.benchmark or hs.train with the cohort again, or write a manifest",
)


def _prefix(source: str) -> str:
    """Prefix of a folder's name; empty for a manifest."""
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
        expected="no image under two patients: it would be both in training and in test",
        remedy="remove one, give each its image, or correct the patient",
    )
