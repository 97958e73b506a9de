"""A section written as Xenium Onboard Analysis does: the layout that the reader must know."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp
from PIL import Image

from histoscribe.io.sections.source import Source

if TYPE_CHECKING:
    from tests.io.conftest import Truth

PIXEL_UM = 0.2125
CONTROLS = (
    ("NegControlProbe_00042", "Negative Control Probe"),
    ("NegControlCodeword_0500", "Negative Control Codeword"),
    ("UnassignedCodeword_0001", "Unassigned Codeword"),
    ("DeprecatedCodeword_0002", "Deprecated Codeword"),
    ("Intergenic_Region_1", "Genomic Control"),
)


def write_xenium(folder: Path, truth: "Truth", genes, symbols, turn=None) -> Source:
    """Cells in the middle of squares of 100 um, and the H&E image as scanned.

    `turn` (2 x 2, whole numbers) takes px of the image as scanned to px of the truth.
    """
    outs = folder / "output-XETG00001__0001__S"
    outs.mkdir()
    column, row = truth.array.T
    um = np.column_stack([column + 0.5, row + 0.5]) * 100.0
    cells = [f"aaaa{n:04d}-1" for n in range(len(um))]
    write_cells(outs, um, cells)
    write_matrix(outs, truth.counts, genes, symbols, cells)
    (outs / "experiment.xenium").write_text(json.dumps({"pixel_size": PIXEL_UM, "region": "S"}))
    mpp = 100.0 / truth.step_px
    corner_px = truth.xy[0] - um[0] / mpp  # where the um begin on the image of the truth
    turn = np.eye(2) if turn is None else np.asarray(turn, dtype=np.float64)
    pixels, shift = scanned(truth.image(), turn)
    to_truth = np.array([[*turn[0], shift[0]], [*turn[1], shift[1]], [0, 0, 1.0]])
    scale = mpp / PIXEL_UM
    to_morphology = np.array(
        [[scale, 0, -scale * corner_px[0]], [0, scale, -scale * corner_px[1]], [0, 0, 1.0]]
    )
    image = folder / "S_he_image.png"
    Image.fromarray(pixels).save(image)
    write_alignment(folder / "S_he_imagealignment.csv", to_morphology @ to_truth)
    return Source(section="S", patient="P", kind="xenium", path=outs, image=image)


def scanned(pixels: np.ndarray, turn: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of an image as scanned, of which `turn @ px + shift` are px of `pixels`."""
    height, width = pixels.shape[:2]
    back = turn.T  # of a turn by quarters, mirrored or not
    corners = np.array([(0, 0), (width, 0), (0, height), (width, height)]) @ back.T
    first, last = corners.min(axis=0), corners.max(axis=0)
    wide, high = (last - first).astype(int)
    y, x = np.mgrid[:high, :wide]
    there = (np.column_stack([x.ravel(), y.ravel()]) + 0.5 + first) @ turn.T
    column, row = np.floor(there).astype(int).T
    return pixels[row, column].reshape(high, wide, 3), turn @ first


def write_alignment(path: Path, matrix: np.ndarray) -> None:
    """As Xenium Explorer exports it: H&E px to px of the morphology image."""
    path.write_text("".join(",".join(repr(float(v)) for v in row) + "\n" for row in matrix))


def write_cells(outs: Path, um: np.ndarray, cells) -> None:
    table = pd.DataFrame(
        {
            "cell_id": list(cells),
            "x_centroid": um[:, 0],
            "y_centroid": um[:, 1],
            "transcript_counts": 1,
            "control_probe_counts": 0,
            "cell_area": np.pi * 25.0,
            "nucleus_area": np.nan,
        }
    )
    table.to_parquet(outs / "cells.parquet")


def write_matrix(outs: Path, counts, genes, symbols, cells) -> None:
    """Counts of genes, and five of each control at every cell."""
    controls = np.full((len(counts), len(CONTROLS)), 5)
    matrix = sp.csc_matrix(np.hstack([counts, controls]).T)
    with h5py.File(outs / "cell_feature_matrix.h5", "w") as file:
        group = file.create_group("matrix")
        features = group.create_group("features")
        features["id"] = [name.encode() for name in (*genes, *(name for name, _ in CONTROLS))]
        features["name"] = [name.encode() for name in (*symbols, *(name for name, _ in CONTROLS))]
        kinds = ["Gene Expression"] * len(genes) + [kind for _, kind in CONTROLS]
        features["feature_type"] = [kind.encode() for kind in kinds]
        group["data"], group["indices"], group["indptr"] = (
            matrix.data,
            matrix.indices,
            matrix.indptr,
        )
        group["shape"] = matrix.shape
        group["barcodes"] = [cell.encode() for cell in cells]


def write_transcripts(outs: Path, table: pd.DataFrame, *, row_group: int = 7) -> None:
    """Table with feature_name, x_location, y_location and qv, and columns that do not count."""
    more = table.assign(transcript_id=np.arange(len(table)), z_location=1.0, fov_name="A1")
    more.to_parquet(outs / "transcripts.parquet", row_group_size=row_group)
