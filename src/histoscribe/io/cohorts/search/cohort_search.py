"""Search for the sections of a cohort in folders."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from histoscribe.io.cohorts.search.array_search import find_arrays
from histoscribe.io.cohorts.search.hd_search import find_hd
from histoscribe.io.cohorts.search.listing import FolderFinding, Listing, PassedOver
from histoscribe.io.cohorts.search.object_search import (
    find_h5ad,
    find_hest,
    find_sparse,
    find_spatialdata,
    find_stnet,
)
from histoscribe.io.cohorts.search.run_search import find_runs
from histoscribe.io.cohorts.search.xenium_search import find_xenium
from histoscribe.io.sections.source import Source

_SEARCHES: tuple[Callable[[Listing], FolderFinding], ...] = (
    *(find_xenium, find_hd, find_runs, find_stnet, find_hest, find_spatialdata),
    *(find_arrays, find_sparse, find_h5ad),
)
"""The surest first: each sees only the files that those before it left."""


def search_sections(folders: Iterable[Path]) -> FolderFinding:
    """Find the sections of all kinds below some folders, each section named once.

    A patient stays empty unless the files name one. Nothing is opened but what is needed to tell
    the kind of a file: `histoscribe check` reads the sections.

    Raises
    ------
    DataContractError
        if one of the folders is none.
    """
    listing = Listing.of(folders)
    closed = (PassedOver(path, "the folder cannot be opened") for path in listing.closed)
    total = FolderFinding(passed=tuple(closed))
    for search in _SEARCHES:
        finding = search(listing)
        listing = listing.without(finding.files)
        total = total | finding
    return replace(total, sources=_named_once(total.sources))


def _named_once(sources: Sequence[Source]) -> tuple[Source, ...]:
    """Sources with the folder before a name that several have, then a number behind it."""
    names = [source.section for source in sources]
    longer = [
        f"{_folder(source)}_{name}" if names.count(name) > 1 else name
        for source, name in zip(sources, names, strict=True)
    ]
    once = [
        f"{name}_{longer[:at].count(name) + 1}" if longer.count(name) > 1 else name
        for at, name in enumerate(longer)
    ]
    renamed = (replace(source, section=name) for source, name in zip(sources, once, strict=True))
    return tuple(sorted(renamed, key=lambda source: source.section))


def _folder(source: Source) -> str:
    """The nearest folder above a section with another name."""
    path = source.path or source.counts or source.image or Path()
    names = (folder.name for folder in path.parents)
    return next((name for name in names if name not in ("outs", source.section)), "")
