"""Search for runs of Space Ranger: folders, and files side by side as archives keep them."""

from pathlib import Path

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.search.listing import (
    FolderFinding,
    Listing,
    PassedOver,
    merged,
    section_name,
)
from histoscribe.io.sections.run_files import COUNTS, POSITIONS, run_files
from histoscribe.io.sections.source import Source

_ENDS = tuple(end for name in POSITIONS for end in (name, f"{name}.gz"))


def find_runs(listing: Listing) -> FolderFinding:
    """Find a section for each table of positions that has a count matrix beside it."""
    return merged([_run(listing, path) for path in listing.ending(*_ENDS)])


def _run(listing: Listing, positions: Path) -> FolderFinding:
    folder = positions.parent
    is_apart = folder.name == "spatial" or folder.name.endswith("_spatial")
    root = folder.parent if is_apart else folder
    prefix = "" if is_apart else _prefix(positions.name)
    of_run = frozenset(path for path in listing.below(root) if path.name.startswith(prefix))
    try:
        counts = _counts(root, prefix) if prefix else None
        source = Source(
            section=section_name(_name(root, prefix)),
            patient="",
            kind="spaceranger",
            path=root,
            image=_image(listing, root, prefix) or listing.image(_name(root, prefix), root),
            counts=counts,
            spots=positions if prefix else None,
        )
        files = run_files(source)
        files.counts()
        if source.image is None and not (files.image("hires") or files.image("lowres")):
            return FolderFinding(passed=(PassedOver(root, "a run without an image"),), files=of_run)
    except DataContractError as error:
        return FolderFinding(passed=(PassedOver(positions, error.problems[0].found),), files=of_run)
    return FolderFinding(sources=(source,), files=of_run | {source.image or positions})


def _prefix(name: str) -> str:
    name = name.removesuffix(".gz")
    return next(name.removesuffix(usual) for usual in POSITIONS if name.endswith(usual))


def _name(root: Path, prefix: str) -> str:
    """Sample as the names of its files begin, else its folder."""
    return prefix.strip("_-. ") or (root.parent.name if root.name == "outs" else root.name)


def _counts(root: Path, prefix: str) -> Path | None:
    """Count matrix of a sample whose files are side by side with others."""
    for usual in COUNTS:
        for name in (prefix + usual, f"{prefix}{usual}.gz"):
            if (root / name).exists():
                return root / name
    return None


def _image(listing: Listing, root: Path, prefix: str) -> Path | None:
    """The image that the run was made from: the only one beside its files, or above them.

    Above a run only if no other run is there.
    """
    runs = [path for path in listing.ending(*_ENDS) if root.parent in path.parents]
    beside = [path for path in runs if root in path.parents]
    begin = prefix if len(beside) > 1 else ""
    for place in (root, root.parent) if len(runs) == 1 else (root,):
        found = [
            path
            for path in listing.images()
            if path.parent == place and path.name.startswith(begin)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None
