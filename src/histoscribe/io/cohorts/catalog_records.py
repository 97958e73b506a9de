"""Records of the catalog: public data sets, their sections and files on this machine."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.hest_folder import hest_sources
from histoscribe.io.cohorts.published import PUBLISHED, Checksum
from histoscribe.io.cohorts.selection import Where, choose
from histoscribe.io.cohorts.stnet_folder import stnet_sources
from histoscribe.io.sections.source import PATHS, Source
from histoscribe.io.slides.resample import Box
from histoscribe.io.weights import cache_folder
from histoscribe.near_names import each_meant

GENE_SETS = "gmt"
"""Kind of an entry whose files hold gene sets instead of sections."""
BULK = "bulk"
"""Kind of an entry whose files hold bulk expression instead of sections."""


@dataclass(frozen=True)
class PublicFile:
    """One file of a section."""

    role: str
    """Field of `Source` that it fills; `part` for other files of the section's folder."""
    local: tuple[str, ...]
    """Glob patterns below the data set's local folder; the first that matches is read."""
    public: str | None
    """Page or folder of the published tree; None if the file exists only locally."""
    url: str | None = None
    """Download address; None if the file must be fetched by hand."""

    @property
    def place(self) -> str:
        """Path below the data set's folder for a download: the first without a wildcard."""
        return next(pattern for pattern in self.local if "*" not in pattern)


@dataclass(frozen=True)
class PublicSection:
    """One section of a public data set."""

    section: str
    patient: str
    """Empty for a file of gene sets or of bulk expression."""
    files: tuple[PublicFile, ...]
    white: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str | None = None
    """Below the data set's folder, for kinds that read a folder."""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A public data set with the facts that its users need."""

    name: str
    title: str
    source: str
    licence: str
    paper: str
    """DOI."""
    kind: str
    folder: str
    """Below HISTOSCRIBE_DATA."""
    sections: tuple[PublicSection, ...]
    """Empty where the folder's own metadata lists them (kinds `hest` and `stnet`)."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Facts that hold for all its sections."""
    remarks: tuple[str, ...] = ()
    """Limits of what it can show, and how to get files that no command downloads."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Each patient or animal once."""
        return tuple(dict.fromkeys(section.patient for section in self.sections))

    def facts_of(self, section: PublicSection) -> dict[str, str]:
        """Facts of one section besides its patient."""
        return {**self.facts, **section.facts}

    def expected(self, file: PublicFile) -> Checksum | None:
        """Recorded checksum of the published file; None for an unrecorded file."""
        return PUBLISHED.get(f"{self.folder}/{file.place}")


def data_folders(dataset: DataSet) -> tuple[Path, ...]:
    """Possible folders of a data set: below `$HISTOSCRIBE_DATA`, then downloads in the cache."""
    given = os.environ.get("HISTOSCRIBE_DATA")
    roots = [Path(given)] if given else []
    return tuple(root / dataset.folder for root in (*roots, cache_folder() / "data"))


def find_file(roots: Sequence[Path], file: PublicFile) -> Path | None:
    """First folder's file that matches the patterns."""
    matches = (
        path
        for root in roots
        for pattern in file.local
        for path in sorted(root.glob(pattern))
        if not path.name.startswith(".")  # half a download, or the `._*.jpg` of a Mac
    )
    return next(matches, None)


def local_sources(
    dataset: DataSet, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Local files of a data set's sections; `where` selects by their facts, too.

    Raises one DataContractError that names every missing file of the selected sections.
    """
    roots = data_folders(dataset)
    if dataset.kind in _WITHOUT_SECTIONS:
        raise DataContractError(_no_sections(dataset))
    if dataset.kind in _BY_FOLDER:
        here = next((root for root in roots if root.is_dir()), roots[0])
        return _BY_FOLDER[dataset.kind](here, sections, where)
    known = {section.section: section for section in dataset.sections}
    unknown = [id_ for id_ in sections or () if id_ not in known]
    if unknown:
        raise DataContractError(
            Problem(
                where=f"catalog:{dataset.name}",
                found=f"no section {', '.join(unknown)}",
                expected=f"some of {', '.join(known)}",
                remedy=each_meant(unknown, known, "correct the list of sections"),
            )
        )
    rows = [
        {"section": id_, "patient": known[id_].patient, **dataset.facts_of(known[id_])}
        for id_ in (known if sections is None else sections)
    ]
    wanted = [row["section"] for row in choose(rows, where or {}, f"catalog:{dataset.name}")]
    missing = [problem for id_ in wanted for problem in missing_files(roots, dataset, known[id_])]
    if missing:
        raise DataContractError(missing)
    return tuple(_source(roots, dataset, known[id_]) for id_ in wanted)


_BY_FOLDER = {"hest": hest_sources, "stnet": stnet_sources}
"""Kinds whose folder has a metadata table that lists the sections."""


_WITHOUT_SECTIONS = {
    GENE_SETS: ("gene sets", 'name it as `pathways.sets = "catalog:{}"` beside a cohort'),
    BULK: ("bulk expression", "give it as `explain subtypes --bulk catalog:{}`"),
}
"""What an entry holds instead of sections, and how it is used."""


def _no_sections(dataset: DataSet) -> Problem:
    what, remedy = _WITHOUT_SECTIONS[dataset.kind]
    return Problem(
        where=f"catalog:{dataset.name}",
        found=f"{what} ({dataset.title})",
        expected="sections",
        remedy=remedy.format(dataset.name),
    )


def missing_files(roots: Sequence[Path], dataset: DataSet, section: PublicSection) -> list[Problem]:
    """Problem of each missing file of a section."""
    get = f"get it with `histoscribe data {dataset.name} --fetch`"
    return [
        Problem(
            where=f"catalog:{dataset.name}, section {section.section}",
            found=f"missing: {roots[0] / file.local[0]}{_UNSET if len(roots) == 1 else ''}",
            expected=" or ".join(file.local),
            remedy=(f"{get}, or from {file.public}" if file.url else f"get it from {file.public}")
            if file.public
            else _LOCAL_ONLY,
        )
        for file in section.files
        if find_file(roots, file) is None
    ]


def _source(roots: Sequence[Path], dataset: DataSet, section: PublicSection) -> Source:
    found = {file.role: find_file(roots, file) for file in section.files if file.role in PATHS}
    if section.folder is not None:
        folders = (root / section.folder for root in roots)
        found["path"] = next(folder for folder in folders if folder.is_dir())
    return Source(
        section=section.section,
        patient=section.patient,
        kind=dataset.kind,
        white=section.white,
        notes=section.notes,
        facts=dataset.facts_of(section),
        **found,  # type: ignore[arg-type]
    )


_UNSET = " (HISTOSCRIBE_DATA is not set: set HISTOSCRIBE_DATA to a folder that has it)"
_LOCAL_ONLY = (
    "this file was made from the published data and is not part of it; set HISTOSCRIBE_DATA to a "
    "folder that has it, or leave the section out"
)
