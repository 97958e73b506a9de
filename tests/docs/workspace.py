"""A folder that has what the examples of the pages name: a cohort, settings, slides, predictors.

The cohort is simulated and tiny. Two of its sections are called A1 and B1, and some of its genes
ERBB2, ACTB and CD74, as on the pages.
"""

import csv
import json
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import tifffile
from PIL import Image

import histoscribe as hs
from histoscribe.data.panel_files import published_panel
from histoscribe.simulate.stain import MPP
from tests.benchmark.runs import tiny_cohort

GENES = ("ERBB2", "ACTB", "CD74")
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
    _rename_genes(folder)
    text = manifest.read_text().replace("P1S1,P1,", "A1,P1,").replace("P2S1,P2,", "B1,P2,")
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
    _predict_elsewhere(cohort, folder / "theirs")
    with (folder / "labels.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("spot", "label"), *rows])
    lines = ["patient,slide,mpp", f"P8,S2.tif,{MPP}", f"P9,biopsy.svs,{MPP}"]
    (folder / "slides.csv").write_text("\n".join(lines))


def _predict_elsewhere(cohort, folder: Path) -> None:
    """Write a prediction as another tool could: blurred values, a file a section."""
    folder.mkdir()
    for section in cohort:
        counts = section.measured.matrix[:, :10].toarray()
        rates = np.log1p(counts / section.measured.total[:, None] * 10_000)
        data = ad.AnnData((0.5 * rates + 0.5 * rates.mean(axis=0)).astype(np.float32))
        data.obs_names = list(section.spots.ids)
        data.var_names = list(section.measured.gene_names[:10])
        data.write_h5ad(folder / f"{section.id}.h5ad")


def make_slow_workspace(workspace: Path, folder: Path) -> None:
    """Write what only the slow examples read: patients of a bulk table, a mask, a second slide."""
    rng = np.random.default_rng(0)
    patients = [f"P{number:02d}" for number in range(24)]
    genes = [*published_panel("colotype-partial"), *(f"GENE{number}" for number in range(20))]
    values = rng.poisson(80, (len(genes), len(patients))).astype(int)
    values[:10, ::2] *= 4
    pd.DataFrame(values, genes, patients).to_csv(folder / "counts.tsv.gz", sep="\t")
    kinds = ["CMS1", "CMS2"] * (len(patients) // 2)
    pd.DataFrame({"patient": patients, "subtype": kinds}).to_csv(
        folder / "patients.csv", index=False
    )
    with Image.open(workspace / "P1S1.jpg") as image:
        pixels = np.asarray(image.convert("RGB")).copy()
    height, width, _ = pixels.shape
    rows, columns = np.ogrid[:height, :width]
    inside = (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < (height / 4) ** 2
    pixels[inside] = pixels[inside] // 2 + np.array([60, 35, 10], np.uint8)  # brown, as DAB is
    per_cm = 10_000 / MPP
    tifffile.imwrite(
        folder / "ihc.tif", pixels, resolution=(per_cm, per_cm), resolutionunit="CENTIMETER"
    )
    corners = [(0.2, 0.2), (0.8, 0.3), (0.3, 0.8), (0.7, 0.7)]
    points = [f"{x * width},{y * height},{x * width},{y * height}" for x, y in corners]
    (folder / "points.csv").write_text("\n".join(["x,y,x2,y2", *points]))
    square = [(0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75), (0.25, 0.25)]
    ring = [[x * width, y * height] for x, y in square]
    shape = {"type": "Polygon", "coordinates": [ring]}
    feature = {"type": "Feature", "properties": {}, "geometry": shape}
    text = json.dumps({"type": "FeatureCollection", "features": [feature]})
    (folder / "tumour.geojson").write_text(text)


PREDICTORS: dict[str, dict[str, Any]] = {
    "egn": {"models": {"egn": {"preset": "tiny"}}, "train": {"epochs": 1, "keep": "last"}},
    "ridge": {"models": "ridge"},
    "mlp": {"models": {"mlp": {"preset": "tiny"}}, "train": {"epochs": 3}},
    "abmil": {"models": {"abmil": {"preset": "tiny"}}, "train": {"epochs": 3, "batch_size": 2}},
    "tcgn": {
        "models": {"tcgn": {"preset": "small"}},
        "train": {"epochs": 1, "keep": "last"},
        "inputs": {"tile_px": 64, "mpp": 1.0},
    },
    "counts-mlp": {
        "models": {"mlp": {"preset": "tiny"}},
        "train": {"loss": "nb", "epochs": 3},
        "target": {"n_genes": 6, "transform": "cp10k"},
    },
    **{
        f"seed-{seed}": {
            "models": {"mlp": {"preset": "tiny"}},
            "seed": seed,
            "train": {"epochs": 3},
        }
        for seed in range(3)
    },
}
"""Predictors that pages ask, by the name of their folder."""


def train_predictors(folder: Path, text: str) -> None:
    """Train each predictor that commands and calls of a page use and do not write themselves."""
    named = re.findall(r"explain [\w-]+ ((?:[\w-]+ )+)cohort\.csv", text)
    called = re.findall(r'explain\(\s*"[\w-]+",\s*"([\w-]+)"', text)
    called += re.findall(r'predict_slide\("([\w-]+)"', text)
    written = set(re.findall(r'--out ([\w-]+)|out="([\w-]+)"', text))
    for name in sorted({*" ".join(named).split(), *called} - {a or b for a, b in written}):
        options = {
            "target": {"n_genes": 6},
            "inputs": {"tile_px": 32, "mpp": 4.0, "encoder": "mean_colour"},
            "run": {"device": "cpu"},
            **PREDICTORS[name],
        }
        hs.train(folder / "cohort.csv", options.pop("models"), out=folder / name, **options)


def fill_forms(sheet: Path, names: Sequence[str]) -> None:
    """Fill the form of a reading sheet for each reader, with answers of 1 to 5."""
    form = pd.read_csv(sheet / "for-readers" / "form.csv")
    for number, name in enumerate(names):
        form[form.columns[-1]] = [(row * 7 + number) % 5 + 1 for row in range(len(form))]
        form.to_csv(f"{name}.csv", index=False)


def _rename_genes(folder: Path) -> None:
    """Give the genes with most molecules names of the pages: they are in every panel."""
    most = None
    for path in sorted(folder.glob("P*/filtered_feature_bc_matrix.h5")):
        with h5py.File(path, "r+") as file:
            names = file["matrix/features/name"]
            if most is None:
                counts, rows = file["matrix/data"][:], file["matrix/indices"][:]
                most = np.argsort(-np.bincount(rows, weights=counts), kind="stable")
            for gene, name in zip(most, GENES, strict=False):
                names[int(gene)] = name.encode()


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
