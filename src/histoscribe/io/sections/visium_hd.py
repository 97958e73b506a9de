"""Visium HD sections as Space Ranger 3 and 4 write them."""

from pathlib import Path

import numpy as np
from jaxtyping import Bool

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.bin_folders import bin_folder_of
from histoscribe.io.sections.bin_positions import BinPositions, read_bin_positions
from histoscribe.io.sections.binned_spots import binned_spots, square_um_of
from histoscribe.io.sections.bins import Bins, bins_by_name, check_um_per_px
from histoscribe.io.sections.matrix_chunks import opened_matrix
from histoscribe.io.sections.run_image import RunImage, run_image, run_scale_factors
from histoscribe.io.sections.scale_factors import ScaleFactors
from histoscribe.io.sections.segmented_cells import read_segmented_cells, segmented_files
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.io.slides.slide import image_mpp, open_slide


def read_visium_hd(source: Source) -> Reading:
    """Read a run folder, its `outs` or one folder of bins, pooled into squares of `pool_um`.

    Of several sizes of bins, the largest that fill a square without a rest are read. The image is
    the full-resolution one of the column `image`, else the hires PNG, with a note. Um/px by the
    size of the bins and their distance on the image, checked against `microns_per_pixel`. A folder
    `segmented_outputs` gives cells (see `read_segmented_cells`).
    """
    if source.path is None:
        raise ValueError("a section of kind visium_hd needs a path")
    if segmented_files(source.path):
        return read_segmented_cells(source)
    folder = bin_folder_of(source, square_um_of(source))
    files = folder.files
    factors = run_scale_factors(files)
    image = run_image(source, files, factors)
    places_path = source.spots or files.positions()
    positions = read_bin_positions(places_path)
    with opened_matrix(source.counts or files.counts(), source.facts.get("genome")) as stored:
        bins, in_tissue = _bins(places_path, positions, stored.barcodes, image)
        _check_size(files.root, bins, factors)
        check_um_per_px(str(files.root), bins, factors.mpp and factors.mpp / image.scale)
        found = Resolutions(source.mpp, image_mpp(image.path, source.image_number), bins.mpp)
        mpp, origin = found.settle(source.where, source.mpp_from)
        binned = binned_spots(source, bins, in_tissue, stored)
    return Reading(
        slide=open_slide(image.path, mpp, source.white, source.image_number),
        spots=binned.spots,
        in_tissue=binned.in_tissue,
        counts=binned.counts,
        count_ids=binned.spots.ids,
        notes=(_said_image(image, mpp), origin, *binned.notes),
        scales=factors.by_image,
    )


VISIUM_HD = Reader(
    "visium_hd", "Visium HD as Space Ranger writes it", ("path",), read_visium_hd, pools=True
)


def _bins(
    path: Path, positions: BinPositions, barcodes: np.ndarray, image: RunImage
) -> tuple[Bins, Bool[np.ndarray, " N"]]:
    """Bins in the order of the counts, then those in tissue without counts."""
    where = str(path)
    array, bin_um = bins_by_name(where, barcodes)
    lines = positions.rows_of(array)
    if (unplaced := np.flatnonzero(lines < 0)).size:
        raise DataContractError(_unplaced(where, barcodes[unplaced], len(barcodes)))
    is_empty = positions.in_tissue.copy()
    is_empty[lines] = False
    order = np.concatenate([lines, np.flatnonzero(is_empty)])
    bins = Bins(where, positions.array[order], positions.xy[order] * image.scale, bin_um)
    return bins, positions.in_tissue[order]


def _check_size(root: Path, bins: Bins, factors: ScaleFactors) -> None:
    if factors.bin_um is not None and factors.bin_um != bins.bin_um:
        raise DataContractError(
            Problem(
                where=str(root),
                found=f"barcodes of bins of {bins.bin_um:g} um, and bin_size_um {factors.bin_um:g}",
                expected="counts and scale factors of one size of bins",
                remedy="copy the whole folder of one size",
            )
        )


def _said_image(image: RunImage, mpp: float) -> str:
    if image.scale == 1.0:
        return f"image: {image.what}"
    return (
        f"image: {image.what}, at {mpp:.4g} um/px, as no full-resolution image is named in the "
        "column `image`"
    )


def _unplaced(where: str, barcodes: np.ndarray, n_barcodes: int) -> Problem:
    return Problem(
        where=where,
        found=f"{len(barcodes)} of {n_barcodes} barcodes have counts and no position, e.g. "
        f"{barcodes[0].decode()}",
        expected="a position for every barcode of the count matrix",
        remedy="give counts and positions of the same run and size of bins",
    )
