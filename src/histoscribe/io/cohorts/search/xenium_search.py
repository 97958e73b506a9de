"""Search for output folders of Xenium, by two files that no other instrument writes."""

from pathlib import Path

from histoscribe.io.cohorts.search.listing import (
    FolderFinding,
    Listing,
    PassedOver,
    merged,
    section_name,
)
from histoscribe.io.sections.alignment import alignment_files, of_instrument
from histoscribe.io.sections.source import Source
from histoscribe.io.sections.xenium_files import CELLS, MATRIX


def find_xenium(listing: Listing) -> FolderFinding:
    """Find a section for each count matrix of cells that has its table of cells beside it."""
    return merged([_section(listing, path) for path in listing.ending(MATRIX)])


def _section(listing: Listing, matrix: Path) -> FolderFinding:
    root = matrix.parent
    cells = [path for path in listing.ending(CELLS) if path.parent == root]
    if not cells:
        return FolderFinding()  # another search may know it
    files = listing.below(root)
    if len(cells) > 1:
        reason = f"{len(cells)} output folders of Xenium in one: give each a folder of its own"
        return FolderFinding(passed=(PassedOver(root, reason),), files=files)
    image = _image(listing, root)
    if image is None:
        reason = "an output folder of Xenium without an H&E image in or beside it"
        return FolderFinding(passed=(PassedOver(root, reason),), files=files)
    found = alignment_files(image, (image.parent, root, root.parent))
    source = Source(
        section=section_name(_name(root, matrix)),
        patient="",
        kind="xenium",
        path=root,
        image=image,
        alignment=found[0] if len(found) == 1 else None,
    )
    return FolderFinding(sources=(source,), files=files | {image, *found})


def _image(listing: Listing, root: Path) -> Path | None:
    """The H&E image: of those in the folder, else beside it; where several are, that named so."""
    for folder in (root, root.parent):
        images = [
            path for path in listing.images() if path.parent == folder and not of_instrument(path)
        ]
        named = [path for path in images if "_he_image" in path.name.lower()]
        for found in (named, images):
            if len(found) == 1:
                return found[0]
    return None


def _name(root: Path, matrix: Path) -> str:
    """Sample as the names of its files begin, else its folder, without what every folder has."""
    prefix = matrix.name.removesuffix(MATRIX).strip("_-. ")
    folder = root.parent if root.name == "outs" else root
    return prefix or folder.name.removesuffix("_outs")
