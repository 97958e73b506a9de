"""A folder that has what the examples of the pages name: a cohort, settings, slides, predictors.

The cohort is simulated and tiny. One of its sections is called A1 and one of its genes ERBB2, as on
the pages.
"""

import csv
import shutil
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import tifffile
from PIL import Image

import histoscribe as hs
from histoscribe.simulate.stain import MPP
from tests.benchmark.runs import tiny_cohort

SETTINGS = """\
cohort = "cohort.csv"
models = ["mean", "ridge"]
[target]
n_genes = 6
[inputs]
tile_px = 32
mpp = 4.0
encoder = "mean_colour"
"""


def make_workspace(folder: Path, genes_per_family: int = 6) -> None:
    """Write everything that several pages share."""
    manifest = tiny_cohort(folder, genes_per_family=genes_per_family)
    (folder / "run.toml").write_text(SETTINGS)
    _rename_gene(folder)
    text = manifest.read_text().replace("P1S1,P1,", "A1,P1,")
    manifest.write_text(text)
    for section in ("P1S1", "P2S1", "P3S1"):
        _write_tiff(folder / f"{section}.jpg", folder / f"S{section[1]}.tif")
    _write_tiff(folder / "P3S1.jpg", folder / "biopsy.svs", mirrored=True)
    # one alone: two would be predicted in processes, and each imports torch
    (folder / "slides").mkdir()
    shutil.copy(folder / "S2.tif", folder / "slides" / "first.svs")
    cohort = hs.read_cohort(manifest)
    for number, section in enumerate(cohort, start=1):
        _anndata(section).write_h5ad(folder / f"S{number}.h5ad")
    rows = [(spot, "ab"[number % 2]) for number, spot in enumerate(cohort["A1"].spots.ids)]
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("spot", "label"), *rows])


def train_egn(folder: Path) -> None:
    """Train a network that looks exemplars up."""
    hs.train(
        folder / "cohort.csv",
        {"egn": {"preset": "tiny"}},
        out=folder / "egn",
        target={"n_genes": 6},
        inputs={"tile_px": 32, "mpp": 4.0, "encoder": "mean_colour"},
        train={"epochs": 1, "keep": "last"},
        run={"device": "cpu"},
    )


def _rename_gene(folder: Path) -> None:
    """Call the gene with most molecules ERBB2: it is in every panel."""
    most = None
    for path in sorted(folder.glob("P*/filtered_feature_bc_matrix.h5")):
        with h5py.File(path, "r+") as file:
            names = file["matrix/features/name"]
            if most is None:
                counts, rows = file["matrix/data"][:], file["matrix/indices"][:]
                most = int(np.argmax(np.bincount(rows, weights=counts)))
            names[most] = b"ERBB2"


def _write_tiff(picture: Path, path: Path, *, mirrored: bool = False) -> None:
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    if mirrored:  # it is then no picture that was trained on
        pixels = np.ascontiguousarray(pixels[:, ::-1])
    per_cm = 10_000 / MPP
    tifffile.imwrite(
        path,
        pixels,
        photometric="rgb",
        tile=(256, 256),
        resolution=(per_cm, per_cm),
        resolutionunit="CENTIMETER",
    )


def _anndata(section):
    data = ad.AnnData(section.measured.matrix.astype(np.float32))
    data.obs_names, data.var_names = list(section.spots.ids), list(section.measured.gene_names)
    data.obsm["spatial"] = section.spots.xy
    return data
