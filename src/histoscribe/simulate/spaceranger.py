"""A simulated section as a Space Ranger 2 folder and a JPEG."""

import zlib
from pathlib import Path

import h5py
import numpy as np
import scipy.sparse as sp
from jaxtyping import UInt8
from PIL import Image

from histoscribe.io.atomic import replacing, write_json, write_text
from histoscribe.simulate.families import Genes
from histoscribe.simulate.stain import MPP
from histoscribe.simulate.tissue import DIAMETER_UM, Tissue

_HIRES_SCALE, _LOWRES_SCALE = 0.25, 0.1


def barcodes(tissue: Tissue) -> tuple[str, ...]:
    """Barcode of each array position: equal on every slide, as on real ones."""
    return tuple(_barcode(int(row), int(column)) for row, column in tissue.array)


def write_image(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Write the full-resolution JPEG."""
    with replacing(path) as temporary:
        Image.fromarray(image).save(temporary, format="JPEG", quality=90, subsampling=0)


def write_folder(
    folder: Path,
    tissue: Tissue,
    image: UInt8[np.ndarray, "H W 3"],
    counts: sp.csr_matrix,
    genes: Genes,
) -> None:
    """Write matrix, positions, scale factors and the two small images."""
    spatial = folder / "spatial"
    _write_matrix(folder / "filtered_feature_bc_matrix.h5", tissue, counts, genes)
    _write_positions(spatial / "tissue_positions.csv", tissue)
    diameter_px = DIAMETER_UM / MPP
    write_json(
        spatial / "scalefactors_json.json",
        {
            "spot_diameter_fullres": diameter_px,
            "fiducial_diameter_fullres": diameter_px * 90.0 / 55.0,
            "tissue_hires_scalef": _HIRES_SCALE,
            "tissue_lowres_scalef": _LOWRES_SCALE,
        },
    )
    for name, scale in (("hires", _HIRES_SCALE), ("lowres", _LOWRES_SCALE)):
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        with replacing(spatial / f"tissue_{name}_image.png") as temporary:
            small = Image.fromarray(image).resize(size, Image.Resampling.BOX)
            small.save(temporary, format="PNG", compress_level=3)


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


def _write_matrix(path: Path, tissue: Tissue, counts: sp.csr_matrix, genes: Genes) -> None:
    """10x v3 layout: compressed sparse columns of a genes x spots matrix, no timestamps."""
    spots = np.array(barcodes(tissue))[tissue.in_tissue]
    with replacing(path) as temporary, h5py.File(temporary, "w", track_order=False) as file:
        group = file.create_group("matrix", track_times=False)
        features = group.create_group("features", track_times=False)
        _put(group, "barcodes", spots.astype("S18"))
        _put(group, "data", counts.data.astype(np.int32))
        _put(group, "indices", counts.indices.astype(np.int64))
        _put(group, "indptr", counts.indptr.astype(np.int64))
        _put(group, "shape", np.array(counts.shape[::-1], dtype=np.int32))
        _put(features, "_all_tag_keys", np.array([b"genome"]))
        _put(features, "id", np.array(genes.ids).astype("S"))
        _put(features, "name", np.array(genes.names).astype("S"))
        _put(features, "feature_type", np.array([b"Gene Expression"] * len(genes.ids)))
        _put(features, "genome", np.array([b"simulated"] * len(genes.ids)))


def _put(group: h5py.Group, name: str, values: np.ndarray) -> None:
    group.create_dataset(name, data=values, compression="gzip", track_times=False)
