"""What a catalog says of a public data set, and its files found on this machine."""

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


@dataclass(frozen=True)
class PublicFile:
    """One file of a section."""

    role: str
    """Field of `Source` it fills; `part` of the section's folder."""
    local: tuple[str, ...]
    """Glob patterns below the data set's local folder; the first that matches is read."""
    public: str | None
    """Page or folder of the published tree; None where it exists locally only."""
    url: str | None = None
    """Address to download it from; None where it has to be fetched by hand."""

    @property
    def place(self) -> str:
        """Path below the data set's folder that a download gets: the first without a wildcard."""
        return next(pattern for pattern in self.local if "*" not in pattern)


@dataclass(frozen=True)
class PublicSection:
    """One section of a public data set."""

    section: str
    patient: str
    files: tuple[PublicFile, ...]
    white: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()
    folder: str | None = None
    """Below the data set's folder, for kinds that read a folder."""
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A public data set and what a user of it must know."""

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
    """What is true of all its sections."""
    remarks: tuple[str, ...] = ()
    """What cannot be claimed from it, and how to get what cannot be downloaded by a command."""

    @property
    def patients(self) -> tuple[str, ...]:
        """Each patient or animal once."""
        return tuple(dict.fromkeys(section.patient for section in self.sections))

    def facts_of(self, section: PublicSection) -> dict[str, str]:
        """What is known of one section besides its patient."""
        return {**self.facts, **section.facts}

    def expected(self, file: PublicFile) -> Checksum | None:
        """What the published file is known to be; None where it was never seen."""
        return PUBLISHED.get(f"{self.folder}/{file.place}")


def data_folders(chosen: DataSet) -> tuple[Path, ...]:
    """Where a data set may lie: below `$HISTOSCRIBE_DATA`, then among downloads in the cache."""
    given = os.environ.get("HISTOSCRIBE_DATA")
    roots = [Path(given)] if given else []
    return tuple(root / chosen.folder for root in (*roots, cache_folder() / "data"))


def find_file(roots: Sequence[Path], file: PublicFile) -> Path | None:
    """Find a file by its patterns in the first folder that has it."""
    matches = (
        path
        for root in roots
        for pattern in file.local
        for path in sorted(root.glob(pattern))
        if not path.name.startswith(".")  # half a download, or the `._*.jpg` of a Mac
    )
    return next(matches, None)


def local_sources(
    chosen: DataSet, sections: Sequence[str] | None = None, where: Where | None = None
) -> tuple[Source, ...]:
    """Find the local files of a data set's sections; `where` looks at their facts, too.

    Raises one DataContractError that names every missing file of the sections asked for.
    """
    roots = data_folders(chosen)
    if chosen.kind in _BY_FOLDER:
        here = next((root for root in roots if root.is_dir()), roots[0])
        return _BY_FOLDER[chosen.kind](here, sections, where)
    known = {section.section: section for section in chosen.sections}
    unknown = [id_ for id_ in sections or () if id_ not in known]
    if unknown:
        raise DataContractError(
            Problem(
                where=f"catalog:{chosen.name}",
                found=f"no section {', '.join(unknown)}",
                expected=f"some of {', '.join(known)}",
                remedy="correct the list of sections",
            )
        )
    rows = [
        {"section": id_, "patient": known[id_].patient, **chosen.facts_of(known[id_])}
        for id_ in (known if sections is None else sections)
    ]
    wanted = [row["section"] for row in choose(rows, where or {}, f"catalog:{chosen.name}")]
    missing = [problem for id_ in wanted for problem in _missing(roots, chosen, known[id_])]
    if missing:
        raise DataContractError(missing)
    return tuple(_source(roots, chosen, known[id_]) for id_ in wanted)


_BY_FOLDER = {"hest": hest_sources, "stnet": stnet_sources}
"""Kinds whose folder has a metadata table that lists the sections."""


def _missing(roots: Sequence[Path], chosen: DataSet, section: PublicSection) -> list[Problem]:
    get = f"get it with `histoscribe data {chosen.name} --fetch`"
    return [
        Problem(
            where=f"catalog:{chosen.name}, section {section.section}",
            found=f"missing: {roots[0] / file.local[0]}{_UNSET if len(roots) == 1 else ''}",
            expected=" or ".join(file.local),
            remedy=(f"{get}, or from {file.public}" if file.url else f"get it from {file.public}")
            if file.public
            else _LOCAL_ONLY,
        )
        for file in section.files
        if find_file(roots, file) is None
    ]


def _source(roots: Sequence[Path], chosen: DataSet, section: PublicSection) -> Source:
    found = {file.role: find_file(roots, file) for file in section.files if file.role in PATHS}
    if section.folder is not None:
        folders = (root / section.folder for root in roots)
        found["path"] = next(folder for folder in folders if folder.is_dir())
    return Source(
        section=section.section,
        patient=section.patient,
        kind=chosen.kind,
        white=section.white,
        notes=section.notes,
        facts=chosen.facts_of(section),
        **found,  # type: ignore[arg-type]
    )


_UNSET = " (HISTOSCRIBE_DATA is not set: set HISTOSCRIBE_DATA to a folder that has it)"
_LOCAL_ONLY = (
    "this file was made from the published data and is not part of it; HISTOSCRIBE_DATA must name "
    "a folder that has it, or leave the section out"
)
