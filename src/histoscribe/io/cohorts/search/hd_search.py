"""Search for runs of Visium HD, by the size of bins that their files state."""

from pathlib import Path

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.search.listing import (
    FolderFinding,
    Listing,
    PassedOver,
    merged,
    section_name,
)
from histoscribe.io.sections.bin_folders import BINNED, SEGMENTED, BinFolder, bin_folder_at
from histoscribe.io.sections.bins import bin_um_in_name
from histoscribe.io.sections.run_files import POSITIONS
from histoscribe.io.sections.segmented_cells import MATRICES, segmented_files
from histoscribe.io.sections.source import Source


def find_hd(listing: Listing) -> FolderFinding:
    """Find a section for each run with folders of bins, and for each one of segmented cells alone.

    The sizes of bins of one run are one section.
    """
    roots = sorted({path.parent.parent for path in listing.ending(*POSITIONS)})
    runs: dict[Path, list[BinFolder]] = {}
    for root in roots:
        if found := bin_folder_at(root):
            runs.setdefault(_run_of(root), []).append(found)
    finding = merged([_run(listing, path, bins) for path, bins in runs.items()])
    return finding | _cells_alone(listing.without(finding.files))


def _run_of(root: Path) -> Path:
    """Run of a folder of bins: the folder above `binned_outputs`, where bins lie in that."""
    return root.parent.parent if root.parent.name == BINNED else root.parent


def _run(listing: Listing, path: Path, bins: list[BinFolder]) -> FolderFinding:
    files = listing.below(path / SEGMENTED) | listing.below(path / "spatial")
    for one in bins:
        files |= listing.below(one.files.root)
    if len(bins) == 1 and bins[0].files.root.parent == path:
        path = bins[0].files.root  # the files above it may be of anything
    try:
        for one in bins:
            one.files.counts()
    except DataContractError as error:
        reason = f"bins of Visium HD: {error.problems[0].found}"
        return FolderFinding(passed=(PassedOver(path, reason),), files=files)
    return _section(listing, path, files, has_small=bins[0].files.image("hires") is not None)


def _cells_alone(listing: Listing) -> FolderFinding:
    """Sections of segmented cells whose bins are not there."""
    found = []
    for folder in sorted({path.parent for path in listing.ending(*MATRICES)}):
        if segmented_files(folder):
            small = folder / "spatial" / "tissue_hires_image.png"
            files = listing.below(folder)
            found.append(_section(listing, folder, files, has_small=small.is_file()))
    return merged(found)


def _section(
    listing: Listing, path: Path, files: frozenset[Path], *, has_small: bool
) -> FolderFinding:
    named = path
    while named.name in ("outs", BINNED, SEGMENTED) or bin_um_in_name(named.name):
        named = named.parent
    image = _image(listing, path, named)
    if image is None and not has_small:
        reason = "a run of Visium HD without an image"
        return FolderFinding(passed=(PassedOver(path, reason),), files=files)
    source = Source(
        section=section_name(named.name), patient="", kind="visium_hd", path=path, image=image
    )
    return FolderFinding(sources=(source,), files=files | ({image} if image else frozenset()))


def _image(listing: Listing, path: Path, named: Path) -> Path | None:
    """The full-resolution image: the only one in the run, or one named like the run."""
    for folder in dict.fromkeys((path, path.parent, named)):
        inside = folder == path or named in (folder, *folder.parents)
        found = [image for image in listing.images() if image.parent == folder]
        if inside and len(found) == 1:
            return found[0]
    return listing.image(named.name, named)
