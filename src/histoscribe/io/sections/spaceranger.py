"""Visium sections as Space Ranger 1 to 4 writes them."""

from dataclasses import replace
from pathlib import Path

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.barcoded_counts import read_barcoded_counts
from histoscribe.io.sections.library import refuse_shared_places
from histoscribe.io.sections.platform import (
    platform_of,
    refuse_visium_hd,
    scaled_evidence,
    visium_hd,
)
from histoscribe.io.sections.run_files import run_files
from histoscribe.io.sections.run_image import run_image, run_scale_factors
from histoscribe.io.sections.run_library import run_library
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.visium_positions import VisiumPositions, read_visium_positions
from histoscribe.io.slides.slide import image_mpp, open_slide


def read_spaceranger(source: Source) -> Reading:
    """Read a run folder or its `outs`: counts, positions, and the best available image.

    The image is the user's full-resolution one, else the hires, else the lowres PNG; positions are
    in px of the image used, and a note names it and its um/px.
    """
    if source.path is None:
        raise ValueError("a section of kind spaceranger needs a path")
    _refuse_bins(source.path)
    files = run_files(source)
    root = files.root
    positions = read_visium_positions(source.spots or files.positions())
    counts, barcodes, notes = read_barcoded_counts(
        source.counts or files.counts(), positions.barcodes, source.facts.get("genome")
    )
    library = run_library(files, positions.barcodes, barcodes, source.library)
    if library is not None:
        files, positions, barcodes = library.files, positions.take(library.spots), library.ids
        counts = replace(counts, matrix=counts.matrix[library.counts])
        notes = (f"library {library.name} of the run", *notes)
    _check_barcodes(root, positions, barcodes)
    refuse_shared_places(f"{root}, array_row and array_col", positions.array)
    factors = run_scale_factors(files)
    refuse_visium_hd(str(root), positions.barcodes, factors)
    image = run_image(source, files, factors)
    xy, array = positions.xy * image.scale, positions.array
    place = f"{root}, spot positions"
    platform = platform_of(scaled_evidence(place, xy, array, factors, image.scale))
    mpp, origin = platform.resolution(source, image_mpp(image.path, source.image_number))
    spots, assumed = platform.spots(positions.barcodes, xy, mpp)
    return Reading(
        slide=open_slide(image.path, mpp, source.white, source.image_number),
        spots=spots,
        in_tissue=positions.in_tissue,
        counts=counts,
        count_ids=barcodes,
        notes=(f"image: {image.what}", origin, *assumed, *positions.notes, *notes),
        array=positions.array,
        scales=factors.by_image,
    )


SPACERANGER = Reader("spaceranger", "Visium as Space Ranger writes it", ("path",), read_spaceranger)


def _refuse_bins(path: Path) -> None:
    """Refuse a folder of Visium HD, with its name."""
    hd = ("binned_outputs", "square_002um", "square_008um", "square_016um")
    if path.name.startswith("square_") or any(
        (folder / name).exists() for folder in (path, path / "outs") for name in hd
    ):
        raise DataContractError(visium_hd(str(path), "a folder of bins"))


def _check_barcodes(root: Path, positions: VisiumPositions, barcodes: tuple[str, ...]) -> None:
    unplaced = sorted(set(barcodes) - set(positions.barcodes))
    if unplaced:
        raise DataContractError(
            Problem(
                where=str(root),
                found=f"{len(unplaced)} of {len(barcodes)} barcodes have counts and no position, "
                f"e.g. {unplaced[0]}; positions are named like {positions.barcodes[0]}",
                expected="a position for every barcode of the count matrix",
                remedy="give counts and positions of the same run",
            )
        )
