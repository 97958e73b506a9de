"""A simulated section as Space Ranger 3 writes Visium HD, and a BigTIFF."""

from pathlib import Path

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool

from histoscribe.io.atomic import write_json
from histoscribe.simulate.molecules import BIN_UM, BINNINGS, BinArray, Molecules, place_molecules
from histoscribe.simulate.section import MeasuredSection
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tenx_files import (
    HIRES_SCALE,
    LOWRES_SCALE,
    Features,
    write_matrix,
    write_parquet,
    write_small_pictures,
    write_tiff,
)

_FACTS: dict[str, str | int] = {
    "chemistry_description": "Visium HD v1",
    "filetype": "matrix",
    "software_version": "spaceranger-3.1.3",
    "version": 2,
}
_FIDUCIAL_UM = 400.0
_ROWS_PER_GROUP = 1 << 20


def write_visium_hd(out: Path, section: MeasuredSection) -> None:
    """Write the image, and the bins of 2, 8 and 16 um in `binned_outputs`."""
    write_tiff(out / f"{section.name}.btf", section.drawn.image, big=True)
    folder = out / section.name
    write_small_pictures(folder / "spatial", section.drawn.image)
    array = BinArray.over(section.drawn.tissue)
    molecules = place_molecules(section, array)
    for n_side in BINNINGS:
        bins = folder / "binned_outputs" / f"square_{n_side * int(BIN_UM):03d}um"
        _write_bins(bins, section, array, molecules, n_side)


def _write_bins(
    folder: Path, section: MeasuredSection, array: BinArray, molecules: Molecules, n_side: int
) -> None:
    """Write bins of `n_side` smallest bins along a side."""
    bin_um, spatial = BIN_UM * n_side, folder / "spatial"
    in_tissue = _blocks(array.in_tissue, n_side)
    row, column = (index.ravel() for index in np.indices(in_tissue.shape))
    barcodes = [f"s_{bin_um:03.0f}um_{r:05d}_{c:05d}-1" for r, c in zip(row, column, strict=True)]
    number = np.cumsum(in_tissue) - 1  # of the bins in tissue, which are those of the matrix
    place = number.reshape(in_tissue.shape)[molecules.row // n_side, molecules.column // n_side]
    shape = (int(in_tissue.sum()), len(section.genes.ids))
    ones = np.ones(len(place), dtype=np.int32)
    counts = sp.csr_matrix((ones, (place, molecules.gene)), shape=shape)
    inside = in_tissue.ravel()
    write_matrix(
        folder / "filtered_feature_bc_matrix.h5",
        counts,
        [barcodes[index] for index in np.flatnonzero(inside)],
        Features.of(section.genes),
        {**_FACTS, "library_ids": section.name},
    )
    xy_um = array.image_um((np.stack([column, row], axis=1) + 0.5) * bin_um)
    columns: dict[str, np.ndarray | list[str]] = {
        "barcode": barcodes,
        "in_tissue": inside.astype(np.int64),
        "array_row": row,
        "array_col": column,
        "pxl_row_in_fullres": xy_um[:, 1] / MPP,
        "pxl_col_in_fullres": xy_um[:, 0] / MPP,
    }
    write_parquet(spatial / "tissue_positions.parquet", columns, _ROWS_PER_GROUP)
    write_json(spatial / "scalefactors_json.json", _scale_factors(bin_um))
    write_small_pictures(spatial, section.drawn.image)


def _scale_factors(bin_um: float) -> dict[str, float]:
    return {
        "spot_diameter_fullres": bin_um / MPP,
        "bin_size_um": bin_um,
        "microns_per_pixel": MPP,
        "regist_target_img_scalef": HIRES_SCALE,
        "tissue_lowres_scalef": LOWRES_SCALE,
        "fiducial_diameter_fullres": _FIDUCIAL_UM / MPP,
        "tissue_hires_scalef": HIRES_SCALE,
    }


def _blocks(in_tissue: Bool[np.ndarray, "h w"], n_side: int) -> Bool[np.ndarray, "rows columns"]:
    """Bins of `n_side` along a side; in tissue if one of their smallest bins is."""
    rows, columns = (side // n_side for side in in_tissue.shape)
    return np.logical_or.reduce(in_tissue.reshape(rows, n_side, columns, n_side), axis=(1, 3))
