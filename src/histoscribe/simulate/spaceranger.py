"""A simulated section as a Space Ranger 2 folder and a JPEG."""

import zlib
from pathlib import Path

import numpy as np

from histoscribe.io.atomic import write_json, write_text
from histoscribe.simulate.section import MeasuredSection
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tenx_files import (
    HIRES_SCALE,
    LOWRES_SCALE,
    Features,
    write_jpeg,
    write_matrix,
    write_small_pictures,
)
from histoscribe.simulate.tissue import DIAMETER_UM, Tissue


def write_visium(out: Path, section: MeasuredSection) -> None:
    """Write image, matrix, positions, scale factors and the two small images."""
    tissue, folder = section.drawn.tissue, out / section.name
    write_jpeg(out / f"{section.name}.jpg", section.drawn.image)
    spots = np.array(barcodes(tissue))[tissue.in_tissue]
    matrix = folder / "filtered_feature_bc_matrix.h5"
    write_matrix(matrix, section.counts, spots.tolist(), Features.of(section.genes))
    spatial = folder / "spatial"
    _write_positions(spatial / "tissue_positions.csv", tissue)
    diameter_px = DIAMETER_UM / MPP
    write_json(
        spatial / "scalefactors_json.json",
        {
            "spot_diameter_fullres": diameter_px,
            "fiducial_diameter_fullres": diameter_px * 90.0 / 55.0,
            "tissue_hires_scalef": HIRES_SCALE,
            "tissue_lowres_scalef": LOWRES_SCALE,
        },
    )
    write_small_pictures(spatial, section.drawn.image)


def barcodes(tissue: Tissue) -> tuple[str, ...]:
    """Barcode of each array position: equal on every slide, as on real ones."""
    return tuple(_barcode(int(row), int(column)) for row, column in tissue.array)


def _barcode(row: int, column: int) -> str:
    code = zlib.crc32(f"{row}x{column}".encode()) ^ 0xA5A5A5A5
    return "".join("ACGT"[(code >> 2 * place) & 3] for place in range(16)) + "-1"


def _write_positions(path: Path, tissue: Tissue) -> None:
    rows = ["barcode,in_tissue,array_row,array_col,pxl_row_in_fullres,pxl_col_in_fullres"]
    pixel = np.rint(tissue.xy_um / MPP).astype(int)
    for name, inside, (row, column), (x, y) in zip(
        barcodes(tissue), tissue.in_tissue, tissue.array, pixel, strict=True
    ):
        rows.append(f"{name},{int(inside)},{row},{column},{y},{x}")
    write_text(path, "\n".join(rows) + "\n")
