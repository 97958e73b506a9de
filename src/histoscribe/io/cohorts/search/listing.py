"""Files below some folders, and the sections and other findings among them."""

import os
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.source import Source

_IMAGES = (
    *(".tif", ".tiff", ".jpg", ".jpeg", ".png", ".svs", ".ndpi", ".mrxs", ".scn", ".bif"),
    *(".svslide", ".vms", ".vmu", ".czi", ".dcm", ".btf"),
)
_OF_SPACE_RANGER = re.compile(
    r"tissue_(hires|lowres)_image|(aligned|detected)_\w+|cytassist_image|.*spatial_enrichment.*"
)
"""Images that Space Ranger makes beside the one it was given."""
_ZARR = ".zarr"
_ENDS = re.compile(r"(\.(gz|tsv|csv|txt|h5ad|npz|zarr|ome|parquet|json))+$", re.IGNORECASE)
_OTHER_WORDS = """
    selection selected spots spot spotfile alignment aligned table counts count matrix stdata data
    coordinates coords coordinate positions position image images img he h&e hne stained dark in app
    adjusted tissue full fullres highres hires scan slide section genes x by raw of
"""
_WORDS = frozenset(_OTHER_WORDS.split())
"""Words in names of files that name no section."""


@dataclass(frozen=True)
class PassedOver:
    """Something like a section that no reader reads."""

    path: Path
    reason: str


@dataclass(frozen=True, eq=False)
class FolderFinding:
    """Sections, things passed over, and the files of both."""

    sources: tuple[Source, ...] = ()
    """With an empty patient, unless the files name one."""
    passed: tuple[PassedOver, ...] = ()
    files: frozenset[Path] = frozenset()

    def __or__(self, other: "FolderFinding") -> "FolderFinding":
        return FolderFinding(
            self.sources + other.sources, self.passed + other.passed, self.files | other.files
        )


@dataclass(frozen=True, eq=False)
class Listing:
    """Files below some folders; a zarr folder counts as one file."""

    files: tuple[Path, ...]
    closed: tuple[Path, ...] = ()
    """Folders that could not be opened."""

    @classmethod
    def of(cls, folders: Iterable[Path]) -> "Listing":
        """List all files that are not hidden; links are followed, each folder once.

        Raises DataContractError for what is no folder.
        """
        folders = tuple(folders)
        if wrong := [folder for folder in folders if not folder.is_dir()]:
            raise DataContractError([_no_folder(folder) for folder in wrong])
        once: set[str] = set()
        closed: list[Path] = []
        files = {path for folder in folders for path in _walk(folder, once, closed)}
        return cls(tuple(sorted(files)), tuple(closed))

    def without(self, files: Collection[Path]) -> "Listing":
        """List without these files."""
        return Listing(tuple(path for path in self.files if path not in files))

    def ending(self, *ends: str) -> list[Path]:
        """Files with one of these endings, in any case."""
        return [path for path in self.files if path.name.lower().endswith(ends)]

    def images(self) -> list[Path]:
        """Files with the ending of an image, except those that Space Ranger makes."""
        return [path for path in self.ending(*_IMAGES) if not is_of_space_ranger(path)]

    def below(self, folder: Path) -> frozenset[Path]:
        """Files below a folder, at any depth."""
        return frozenset(path for path in self.files if folder in path.parents)

    def image(self, key: str, folder: Path) -> Path | None:
        """The one image with this key, rather in `folder`, else the only one in `folder`."""
        images = self.images()
        there = [path for path in images if path.parent == folder]
        by_key = [path for path in images if section_key(path) == key]
        for found in ([path for path in there if path in by_key], by_key, there):
            if len(found) == 1:
                return found[0]
        return None


def is_of_space_ranger(path: Path) -> bool:
    """Whether an image was made by Space Ranger, at a reduced size or for checks."""
    return _OF_SPACE_RANGER.search(path.stem) is not None


def section_key(path: Path) -> str:
    """Section by the name of a file, else by the name of its folder.

    >>> section_key(Path("ST-spotfiles/B4_selection.tsv")), section_key(Path("S1/counts.tsv.gz"))
    ('B4', 'S1')
    """
    stem = _ENDS.sub("", path.stem if path.suffix.lower() in _IMAGES else path.name)
    words = [word for word in re.split(r"[_\-. ]+", stem) if word.lower() not in _WORDS]
    key = "_".join(word for word in words if not re.fullmatch(r"\d{3,}", word))
    return key or path.parent.name


def section_name(text: str) -> str:
    """A name that can be a file name, as sections need."""
    return re.sub(r"[/\\\x00-\x1f\x7f]", "-", text).strip().lstrip(".") or "section"


def _walk(folder: Path, once: set[str], closed: list[Path]) -> Iterator[Path]:
    def note(error: OSError) -> None:
        closed.append(Path(error.filename))

    for root, names, files in os.walk(folder, onerror=note, followlinks=True):
        place = Path(root)
        real = os.path.realpath(root)
        if real in once or place.name.endswith(_ZARR):
            names.clear()
            if real in once:
                continue
        once.add(real)
        if place.name.endswith(_ZARR):
            yield place
            continue
        names[:] = sorted(name for name in names if not name.startswith("."))
        visible = (place / name for name in files if not name.startswith("."))
        yield from (path for path in visible if path.is_file())  # no pipe, no broken link


def _no_folder(path: Path) -> Problem:
    return Problem(
        where=str(path),
        found="a file" if path.exists() else "no such folder",
        expected="a folder with sections",
        remedy="give a folder",
    )


def merged(findings: Sequence[FolderFinding]) -> FolderFinding:
    """All findings as one."""
    total = FolderFinding()
    for finding in findings:
        total = total | finding
    return total
