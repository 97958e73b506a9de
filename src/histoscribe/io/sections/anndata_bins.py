"""Bins of Visium HD in AnnData and SpatialData: pooled like those of a folder of Space Ranger."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_section import AnnDataSection, array_of
from histoscribe.io.sections.binned_spots import binned_spots
from histoscribe.io.sections.bins import (
    Bins,
    bin_um_in_name,
    bins_by_name,
    check_um_per_px,
    is_bin_name,
)
from histoscribe.io.sections.count_layers import raw_counts_of
from histoscribe.io.sections.matrix_chunks import chunks_of
from histoscribe.io.sections.section_image import SectionImage
from histoscribe.io.sections.source import Reading, Source
from histoscribe.io.slides.resolution import Resolutions

_CELL = re.compile(r"cellid_\d+")
"""Names of segmented cells, whose files state the size of bins, too."""


def bins_in(
    place: Path, section: AnnDataSection, xy: Float[np.ndarray, "N 2"], names: Iterable[str]
) -> Bins | None:
    """Bins with centres `xy` (px of the image); None for a section of spots or cells.

    They are known by their barcodes (`s_008um_00301_00321-1`), else by rows and columns with a size
    that the scale factors (`bin_size_um`) or one of the `names` (`square_008um`) states.

    Raises
    ------
    DataContractError
        for bins without a row and column.
    """
    ids = section.ids
    if is_bin_name(ids[0]):
        array, bin_um = bins_by_name(str(place), ids)
        return Bins(str(place), array, xy, bin_um)
    sizes = [section.factors.bin_um, *map(bin_um_in_name, names)]
    stated_um = next((size for size in sizes if size is not None), None)
    if stated_um is None or _CELL.search(ids[0]):
        return None
    found = array_of(place, section.data.obs)
    if found is None or not np.array_equal(found, np.rint(found)) or found.min() < 0:
        raise DataContractError(_no_array(place, stated_um, ids[0]))
    return Bins(str(place), found.astype(np.int64), xy, stated_um)


def read_bins(
    source: Source,
    section: AnnDataSection,
    bins: Bins,
    in_tissue: Bool[np.ndarray, " N"],
    image: SectionImage,
) -> Reading:
    """Read the bins of a section, pooled by the columns `pool` and `pool_um` of the manifest."""
    place = Path(bins.where)
    counts, notes = raw_counts_of(place, section.data, source.facts.get("genome"), source.layer)
    stated_mpp = section.factors.mpp
    check_um_per_px(bins.where, bins, stated_mpp and stated_mpp / image.scale)
    found = Resolutions(source.mpp, image.mpp, bins.mpp)
    mpp, origin = found.settle(source.where, source.mpp_from)
    binned = binned_spots(source, bins, in_tissue, chunks_of(counts, section.ids))
    return Reading(
        slide=image.open_at(mpp),
        spots=binned.spots,
        in_tissue=binned.in_tissue,
        counts=binned.counts,
        count_ids=binned.spots.ids,
        notes=(*section.notes, *image.notes, origin, *notes, *binned.notes),
        scales=section.factors.by_image,
    )


def _no_array(place: Path, bin_um: float, name: str) -> Problem:
    return Problem(
        where=str(place),
        found=f"bins of {bin_um:g} um without row and column; they are named like {name!r}",
        expected="names like s_008um_00301_00321-1, or whole numbers in array_row and array_col",
        remedy="write the columns array_row and array_col to obs, from tissue_positions.parquet; "
        "or read the folder of Space Ranger (kind visium_hd)",
    )
