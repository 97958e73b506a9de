"""A Visium HD run as Space Ranger writes it, with every molecule known to 2 um."""

import json
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
import tifffile
from PIL import Image

from histoscribe.io.sections.source import Source

GENES = ("ENSG00000000001", "ENSG00000000002", "ENSG00000000003")
SYMBOLS = ("ALPHA", "BETA", "GAMMA")
SIDE = 160
"""2 um bins along each side of the array: 320 um."""
MPP = 0.5
TURN = np.deg2rad(5.0)
CORNER = np.array([700.0, 60.0])
HIRES = 0.25


def to_px(places_um: np.ndarray) -> np.ndarray:
    """Px of the full-resolution image: turned by 5 degrees and mirrored, as real runs are."""
    x, y = places_um.T / MPP
    return (
        np.column_stack([-x, y])
        @ np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]])
        + CORNER
    )


def centres(side: int, bin_um: float) -> tuple[np.ndarray, np.ndarray]:
    """Row and column of each bin of an array, and its place in um."""
    array = np.stack(np.divmod(np.arange(side * side), side), axis=1)
    return array, (array[:, ::-1] + 0.5) * bin_um


def pixels(scale: float = 1.0) -> np.ndarray:
    """Tissue whose red grows with x and whose green grows with y."""
    height, width = int(800 * scale), int(760 * scale)
    y, x = np.mgrid[:height, :width]
    return np.stack([x / width * 255, y / height * 255, 0 * x + 128], axis=2).astype(np.uint8)


def counts_2um(seed: int = 3) -> np.ndarray:
    """[rows, columns, genes] molecules of each 2 um bin."""
    drawn = np.random.default_rng(seed).poisson(0.2, (SIDE, SIDE, len(GENES)))
    return drawn.astype(np.int32)


def summed(counts: np.ndarray, factor: int) -> np.ndarray:
    """Molecules of bins that are `factor` bins wide."""
    n = len(counts) // factor
    return counts[: n * factor, : n * factor].reshape(n, factor, n, factor, -1).sum(axis=(1, 3))


@dataclass
class HdRun:
    """Folders of a run below `root`."""

    root: Path
    counts: np.ndarray
    in_tissue: np.ndarray
    """[rows, columns] of 2 um bins."""

    def bins(self, size: int) -> Path:
        return self.root / "outs" / "binned_outputs" / f"square_{size:03d}um"

    def source(self, path: Path | None = None, image: Path | None = None, **facts: str) -> Source:
        return Source(
            section="S1", patient="P1", kind="visium_hd", path=path or self.root, image=image,
            facts=facts,
        )  # fmt: skip

    def image(self, name: str = "slide.btf") -> Path:
        path = self.root / name
        tifffile.imwrite(
            path, pixels(), bigtiff=True, tile=(64, 64), resolution=(1e4 / MPP, 1e4 / MPP),
            resolutionunit="CENTIMETER",
        )  # fmt: skip
        return path


def write_run(root: Path, sizes: tuple[int, ...] = (2, 8, 16)) -> HdRun:
    """Write the bins of these sizes in um."""
    counts = counts_2um()
    in_tissue = np.zeros((SIDE, SIDE), dtype=bool)
    in_tissue[:, : SIDE * 3 // 4] = True
    counts[~in_tissue] //= 2  # some molecules lie off the tissue
    run = HdRun(root, counts, in_tissue)
    for size in sizes:
        write_bins(run.bins(size), run, size)
    return run


def write_bins(folder: Path, run: HdRun, size: int) -> None:
    """One folder of bins: filtered counts, all positions, scale factors, hires image."""
    factor = size // 2
    spatial = folder / "spatial"
    spatial.mkdir(parents=True)
    array, places_um = centres(SIDE // factor, size)
    is_in = summed(run.in_tissue[..., None], factor).ravel() * 2 > factor**2
    names = np.array([f"s_{size:03d}um_{row:05d}_{column:05d}-1" for row, column in array])
    xy = to_px(places_um)
    table = pd.DataFrame(
        {
            "barcode": names,
            "in_tissue": is_in.astype(int),
            "array_row": array[:, 0],
            "array_col": array[:, 1],
            "pxl_row_in_fullres": xy[:, 1],
            "pxl_col_in_fullres": xy[:, 0],
        }
    )
    table.sample(frac=1.0, random_state=0).to_parquet(spatial / "tissue_positions.parquet")
    factors = {
        "spot_diameter_fullres": size / MPP,
        "bin_size_um": float(size),
        "microns_per_pixel": MPP,
        "regist_target_img_scalef": HIRES,
        "tissue_lowres_scalef": HIRES / 10,
        "fiducial_diameter_fullres": 1205.1,
        "tissue_hires_scalef": HIRES,
    }
    (spatial / "scalefactors_json.json").write_text(json.dumps(factors))
    Image.fromarray(pixels(HIRES)).save(spatial / "tissue_hires_image.png")
    matrix = sp.csr_matrix(summed(run.counts, factor).reshape(len(array), -1))
    rows = np.flatnonzero(is_in & (matrix.getnnz(axis=1) > 0))
    rows = np.random.default_rng(1).permutation(rows)  # not in the order of the positions
    write_h5(folder / "filtered_feature_bc_matrix.h5", names[rows], matrix[rows])


def write_h5(path: Path, names: np.ndarray, counts: sp.csr_matrix) -> None:
    """A matrix of 10x in layout 3, with a probe that is no gene."""
    control = sp.csr_matrix(np.ones((len(names), 1), dtype=np.int32))
    matrix = sp.csr_matrix(sp.hstack([counts, control]))
    with h5py.File(path, "w") as file:
        group = file.create_group("matrix")
        group["barcodes"] = names.astype("S")
        group["data"] = matrix.data.astype(np.int32)
        group["indices"] = matrix.indices.astype(np.int64)
        group["indptr"] = matrix.indptr.astype(np.int64)
        group["shape"] = np.array(matrix.shape[::-1], dtype=np.int32)
        features = group.create_group("features")
        features["id"] = np.array([*GENES, "NegControlProbe_1"], dtype="S")
        features["name"] = np.array([*SYMBOLS, "NegControlProbe_1"], dtype="S")
        features["feature_type"] = np.array(["Gene Expression"] * 4, dtype="S")
        features["genome"] = np.array(["GRCh38"] * 4, dtype="S")


def write_segmented(run: HdRun, n_cells: int = 12) -> Path:
    """Cells as octagons, with their counts; nuclei in their middle."""
    folder = run.root / "outs" / "segmented_outputs"
    (folder / "spatial").mkdir(parents=True)
    xy = to_px(np.random.default_rng(5).uniform(30, 230, (n_cells, 2)))
    angle = np.arange(9) % 8 * np.pi / 4
    for name, radius_px in (("cell", 10.0), ("nucleus", 5.0)):
        ring = radius_px * np.stack([np.cos(angle), np.sin(angle)], axis=1)
        features = [
            {
                "type": "Feature",
                "properties": {"cell_id": number},
                "geometry": {"type": "Polygon", "coordinates": [(centre + ring).tolist()]},
            }
            for number, centre in enumerate(xy, start=1)
        ]
        path = folder / f"{name}_segmentations.geojson"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    names = np.array([f"cellid_{number:09d}-1" for number in range(1, n_cells + 1)])
    counts = np.arange(3 * n_cells).reshape(n_cells, 3) + 1
    write_h5(folder / "filtered_feature_cell_matrix.h5", names[::-1], sp.csr_matrix(counts[::-1]))
    factors = {"microns_per_pixel": MPP, "tissue_hires_scalef": HIRES}
    (folder / "spatial" / "scalefactors_json.json").write_text(json.dumps(factors))
    Image.fromarray(pixels(HIRES)).save(folder / "spatial" / "tissue_hires_image.png")
    return folder
