"""Named public data sets: where each section lies in public and on this machine."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.resample import Box
from histoscribe.io.source import Source


@dataclass(frozen=True)
class PublicFile:
    """One file of a section."""

    role: str
    """Field of `Source` it fills."""
    local: tuple[str, ...]
    """Glob patterns below the data set's local folder; the first that matches is read."""
    public: str | None
    """Address, a folder of the published tree; None where it exists locally only."""


@dataclass(frozen=True)
class PublicSection:
    """One section of a public data set."""

    section: str
    patient: str
    files: tuple[PublicFile, ...]
    white: tuple[Box, ...] = ()
    notes: tuple[str, ...] = ()


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


def data_set(name: str) -> DataSet:
    """Look a data set up by name; the error names those there are."""
    if name not in CATALOG:
        raise DataContractError(
            Problem(
                where=f"catalog:{name}",
                found="no such data set",
                expected=f"one of {', '.join(CATALOG)}",
                remedy="correct the name, or give the path of a manifest",
            )
        )
    return CATALOG[name]


def catalog_sources(name: str, sections: Sequence[str] | None = None) -> tuple[Source, ...]:
    """Find the local files of a data set's sections below `$HISTOSCRIBE_DATA`.

    Raises one DataContractError that names every missing file of the sections asked for.
    """
    chosen = data_set(name)
    known = {section.section: section for section in chosen.sections}
    wanted = list(known) if sections is None else list(sections)
    unknown = [id_ for id_ in wanted if id_ not in known]
    if unknown:
        raise DataContractError(
            Problem(
                where=f"catalog:{name}",
                found=f"no section {', '.join(unknown)}",
                expected=f"some of {', '.join(known)}",
                remedy="correct the list of sections",
            )
        )
    root = _root(chosen)
    missing = [problem for id_ in wanted for problem in _missing(root, chosen.name, known[id_])]
    if missing:
        raise DataContractError(missing)
    return tuple(_source(root, chosen.kind, known[id_]) for id_ in wanted)


def _root(chosen: DataSet) -> Path:
    folder = os.environ.get("HISTOSCRIBE_DATA")
    if not folder:
        files = [file for section in chosen.sections for file in section.files]
        raise DataContractError(
            Problem(
                where=f"catalog:{chosen.name}",
                found=f"HISTOSCRIBE_DATA is not set, so {len(files)} files are missing, "
                f"e.g. {chosen.folder}/{files[0].local[0]}",
                expected=f"a folder that holds {chosen.folder}/",
                remedy=f"download {chosen.source} and set HISTOSCRIBE_DATA to the folder above it",
            )
        )
    return Path(folder) / chosen.folder


def _missing(root: Path, name: str, section: PublicSection) -> list[Problem]:
    return [
        Problem(
            where=f"catalog:{name}, section {section.section}",
            found=f"missing: {root / file.local[0]}",
            expected=" or ".join(file.local),
            remedy=f"get it from {file.public}" if file.public else _LOCAL_ONLY,
        )
        for file in section.files
        if _find(root, file) is None
    ]


def _find(root: Path, file: PublicFile) -> Path | None:
    matches = (path for pattern in file.local for path in sorted(root.glob(pattern)))
    return next(matches, None)


def _source(root: Path, kind: str, section: PublicSection) -> Source:
    found = {file.role: _find(root, file) for file in section.files}
    return Source(
        section=section.section,
        patient=section.patient,
        kind=kind,
        image=found["image"],
        counts=found["counts"],
        spots=found["spots"],
        white=section.white,
        notes=section.notes,
    )


_LOCAL_ONLY = (
    "this rescaled image is not part of the published data; HISTOSCRIBE_DATA must name a folder "
    "that has it, or leave the section out"
)
_HER2ST = "https://github.com/almaan/her2st"


def _her2st(section: str) -> PublicSection:
    """A section by the published tree or the flat one; the images come from Zenodo."""
    tree = f"{_HER2ST}/tree/master/data"
    patient = section[0]
    images = (
        f"ST-imgs/{patient}/{section}/*.jpg",
        f"ST-imgs/{section}/*.jpg",
        f"ST-imgs/{section}.jpg",
    )
    return PublicSection(
        section,
        patient,
        (
            PublicFile("image", images, f"{tree}/ST-imgs/{patient}/{section}"),
            PublicFile("counts", (f"ST-cnts/{section}.tsv.gz", f"ST-cnts/{section}.tsv"),
                       f"{tree}/ST-cnts/{section}.tsv.gz"),
            PublicFile("spots", (f"ST-spotfiles/{section}_selection.tsv",),
                       f"{tree}/ST-spotfiles/{section}_selection.tsv"),
        ),
    )  # fmt: skip


def _her2st_rescaled(section: str, *notes: str) -> PublicSection:
    """A section of patient A by the 2000 px image of the whole array frame."""
    return PublicSection(
        section,
        section[0],
        (
            PublicFile("image", (f"app-imgs/{section}_HE_image_dark.png",), None),
            PublicFile("counts", (f"ST-cnts/{section}.tsv.gz", f"ST-cnts/{section}.tsv"),
                       f"{_HER2ST}/tree/master/data/ST-cnts/{section}.tsv.gz"),
            PublicFile("spots", (f"app-imgs/{section}_spots_in_app_image.tsv",), None),
        ),
        # a thumbnail of the slide is pasted into the top right corner
        white=(Box(1480.0, 0.0, 2000.0, 560.0),),
        notes=("image rescaled to 2000 px, thumbnail corner made white", *notes),
    )  # fmt: skip


CATALOG: dict[str, DataSet] = {
    "her2st": DataSet(
        name="her2st",
        title="HER2-positive breast cancer, legacy ST arrays, 8 sections of 3 patients",
        source=_HER2ST,
        licence="none stated",
        paper="10.1038/s41467-021-26271-2",
        kind="st",
        folder="her2st",
        sections=(
            _her2st_rescaled("A1"),
            _her2st_rescaled("A2", "re-registered"),
            *(_her2st(section) for section in ("B4", "C2", "C3", "C4", "C5", "C6")),
        ),
    ),
    "her2st-published": DataSet(
        name="her2st-published",
        title="HER2-positive breast cancer, legacy ST arrays, all 36 sections of 8 patients",
        source=_HER2ST,
        licence="none stated",
        paper="10.1038/s41467-021-26271-2",
        kind="st",
        folder="her2st",
        sections=tuple(
            _her2st(f"{patient}{number}")
            for patient, n_sections in zip("ABCDEFGH", (6, 6, 6, 6, 3, 3, 3, 3), strict=True)
            for number in range(1, n_sections + 1)
        ),
    ),
}
"""Data sets that a setting may name as `catalog:<name>`."""
