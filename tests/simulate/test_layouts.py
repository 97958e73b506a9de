"""The same simulated molecules as different instruments write them."""

import json
import shutil
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import scipy.sparse as sp
from scipy.spatial import cKDTree

from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.simulate import read_truth, simulate

SQUARE_UM, MPP = 100.0, 0.5
BINS = ("square_002um", "square_008um", "square_016um")


@pytest.fixture(scope="module")
def visium(layout_folders: dict[str, Path]) -> Path:
    return layout_folders["visium"]


@pytest.fixture(scope="module")
def visium_hd(layout_folders: dict[str, Path]) -> Path:
    return layout_folders["visium_hd"]


@pytest.fixture(scope="module")
def xenium(layout_folders: dict[str, Path]) -> Path:
    return layout_folders["xenium"]


@pytest.mark.parametrize(
    ("layout", "kind", "file"),
    [
        ("visium", "spaceranger", "filtered_feature_bc_matrix.h5"),
        ("visium_hd", "visium_hd", "binned_outputs/square_008um/filtered_feature_bc_matrix.h5"),
        ("xenium", "xenium", "experiment.xenium"),
    ],
)
def test_the_manifest_names_kind_and_files_of_the_layout(layout_folders, layout, kind, file):
    folder = layout_folders[layout]
    row = pd.read_csv(folder / "cohort.csv").loc[0]
    assert row["kind"] == kind
    assert (folder / row["path"] / file).is_file()
    if layout != "visium":
        assert image_mpp(folder / row["image"]) == pytest.approx(row["mpp"])


@pytest.mark.parametrize("layout", ["visium_hd", "xenium"])
def test_truth_and_image_are_those_of_the_visium(layout_folders, layout):
    one, other = (read_truth(layout_folders[name], "P1S1") for name in ("visium", layout))
    assert one.spot_ids == other.spot_ids
    np.testing.assert_array_equal(one.rates, other.rates)
    pixels = []
    for name in ("visium", layout):
        image = pd.read_csv(layout_folders[name] / "cohort.csv").loc[0, "image"]
        pixels.append(open_slide(layout_folders[name] / image, MPP).overview(MPP).astype(int))
    assert np.quantile(np.abs(pixels[0] - pixels[1]), 0.95) < 12, "both are JPEG"


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["visium_hd", "xenium"])
def test_a_section_is_drawn_anew_for_another_layout_and_to_the_same_bytes(
    layout_folders, layout, tmp_path
):
    shutil.copytree(layout_folders["visium"], tmp_path / "cohort")
    simulate(
        tmp_path / "cohort", 1, layout=layout, spots_per_section=20, genes_per_family=2, seed=3
    )
    for path in sorted(layout_folders[layout].rglob("*")):
        if path.is_file():
            again = tmp_path / "cohort" / path.relative_to(layout_folders[layout])
            assert again.read_bytes() == path.read_bytes(), path.name


@pytest.mark.parametrize("bins", BINS)
def test_bins_pooled_to_squares_have_the_counts_of_the_spots_in_them(visium, visium_hd, bins):
    folder = visium_hd / "P1S1" / "binned_outputs" / bins
    counts, barcodes, _ = _matrix(folder / "filtered_feature_bc_matrix.h5")
    table = _positions(folder)
    bin_um = float(bins[7:10])
    square = ((table[["array_row", "array_col"]] + 0.5) * bin_um // SQUARE_UM).astype(int)
    pooled = _summed(square.loc[barcodes].itertuples(index=False, name=None), counts)
    _assert_equal(pooled, _spots_in_squares(visium, _axes_of_bins(table, bin_um)))


@pytest.mark.parametrize("bins", BINS)
def test_bins_lie_as_space_ranger_places_them(visium_hd, bins):
    folder, bin_um = visium_hd / "P1S1" / "binned_outputs" / bins, float(bins[7:10])
    table = _positions(folder)
    factors = json.loads((folder / "spatial" / "scalefactors_json.json").read_text())
    assert factors["bin_size_um"] == bin_um
    pitch_px = bin_um / factors["microns_per_pixel"]
    assert factors["spot_diameter_fullres"] == pytest.approx(pitch_px)
    name = f"s_{bin_um:03.0f}um_{{:05d}}_{{:05d}}-1"
    first, right, below = (table.loc[name.format(*at)] for at in ((0, 0), (0, 1), (1, 0)))
    place = ["pxl_col_in_fullres", "pxl_row_in_fullres"]
    np.testing.assert_allclose((right - first)[place], [-pitch_px, 0.0])
    np.testing.assert_allclose((below - first)[place], [0.0, pitch_px])
    slide = open_slide(visium_hd / "P1S1.btf", MPP)
    assert table["pxl_col_in_fullres"].between(0, slide.width).all()
    assert table["pxl_row_in_fullres"].between(0, slide.height).all()
    _, barcodes, _ = _matrix(folder / "filtered_feature_bc_matrix.h5")
    assert list(table.index[table["in_tissue"] == 1]) == barcodes


def test_a_larger_bin_holds_the_molecules_of_the_smallest_ones_in_it(visium_hd):
    totals = []
    for bins, n_side in zip(BINS, (8, 2, 1), strict=True):
        folder = visium_hd / "P1S1" / "binned_outputs" / bins
        counts, barcodes, _ = _matrix(folder / "filtered_feature_bc_matrix.h5")
        place = _positions(folder).loc[barcodes, ["array_row", "array_col"]] // n_side
        totals.append(_summed(place.itertuples(index=False, name=None), counts))
    for other in totals[1:]:
        assert other.keys() == totals[0].keys()
        assert all((other[place] == totals[0][place]).all() for place in other)


@pytest.mark.parametrize("pool", ["cells", "transcripts"])
def test_cells_and_transcripts_pooled_to_squares_have_the_counts_of_the_spots_in_them(
    visium, xenium, pool
):
    counts, barcodes, kinds = _matrix(xenium / "P1S1" / "cell_feature_matrix.h5")
    is_gene = np.array(kinds) == "Gene Expression"
    if pool == "cells":
        table = _table(xenium / "P1S1" / "cells.parquet").set_index("cell_id").loc[barcodes]
        xy_um, counts = table[["x_centroid", "y_centroid"]], counts[:, is_gene]
    else:
        table = _table(xenium / "P1S1" / "transcripts.parquet")
        table = table[(table["qv"] >= 20) & table["is_gene"]]
        xy_um, n = table[["x_location", "y_location"]], len(table)
        parts = (np.ones(n, dtype=int), (np.arange(n), table["codeword_index"]))
        counts = sp.csr_matrix(parts, shape=(n, int(is_gene.sum())))
    square = (xy_um[xy_um.columns[::-1]] // SQUARE_UM).astype(int)
    pooled = _summed(square.itertuples(index=False, name=None), counts)
    _assert_equal(pooled, _spots_in_squares(visium, _axes_of_alignment(xenium)))


def test_the_matrix_takes_nuclei_of_the_picture_to_cells(xenium):
    cells = _table(xenium / "P1S1" / "cells.parquet")[["x_centroid", "y_centroid"]].to_numpy()
    nuclei_px = read_truth(xenium, "P1S1").nucleus_um / MPP
    aligned = _axes_of_alignment(xenium)(nuclei_px)
    gap_um, _ = cKDTree(aligned).query(cells)
    assert gap_um.max() < 1e-6
    assert len(cells) > 0.9 * len(aligned)


def test_calls_that_are_no_counts_stay_out_of_the_matrix(xenium):
    counts, barcodes, kinds = _matrix(xenium / "P1S1" / "cell_feature_matrix.h5")
    calls = _table(xenium / "P1S1" / "transcripts.parquet")
    assert calls["transcript_id"].is_unique
    assert (calls["qv"] < 20).mean() > 0.05
    assert (~calls["is_gene"]).sum() > 0
    counted = calls[(calls["qv"] >= 20) & (calls["cell_id"] != "UNASSIGNED")]
    assert counts.sum() == len(counted)
    of_genes = counts[:, np.array(kinds) == "Gene Expression"].sum(axis=1)
    cells = _table(xenium / "P1S1" / "cells.parquet").set_index("cell_id").loc[barcodes]
    np.testing.assert_array_equal(cells["transcript_counts"], np.asarray(of_genes).ravel())
    assert counted["is_gene"].sum() == of_genes.sum()


def _axes_of_bins(bins: pd.DataFrame, bin_um: float):
    """Map from px of the picture to um along columns and rows of the array."""
    corner = bins.loc[bins[["array_row", "array_col"]].sum(axis=1) == 0].iloc[0]
    left = corner["pxl_col_in_fullres"] * MPP + bin_um / 2.0
    top = corner["pxl_row_in_fullres"] * MPP - bin_um / 2.0
    return lambda px: np.stack([left - px[:, 0] * MPP, px[:, 1] * MPP - top], axis=1)


def _axes_of_alignment(xenium: Path):
    """Map from px of the picture to um of the instrument."""
    matrix = np.loadtxt(xenium / "P1S1_he_imagealignment.csv", delimiter=",")
    facts = json.loads((xenium / "P1S1" / "experiment.xenium").read_text())
    return lambda px: (px @ matrix[:2, :2].T + matrix[:2, 2]) * facts["pixel_size"]


def _spots_in_squares(visium: Path, axes_um) -> dict:
    """Counts of the Visium, summed over the spots whose centre lies in a square."""
    counts, barcodes, _ = _matrix(visium / "P1S1" / "filtered_feature_bc_matrix.h5")
    spots = pd.read_csv(visium / "P1S1" / "spatial" / "tissue_positions.csv", index_col="barcode")
    px = spots.loc[barcodes, ["pxl_col_in_fullres", "pxl_row_in_fullres"]].to_numpy(float)
    return _summed((axes_um(px)[:, ::-1] // SQUARE_UM).astype(int), counts)


def _assert_equal(pooled: dict, spots: dict) -> None:
    """Squares of tissue beside the spots are empty; all others have the counts of their spots."""
    assert set(spots) <= set(pooled)
    for place, total in pooled.items():
        np.testing.assert_array_equal(total, spots.get(place, 0 * total))


def _positions(folder: Path) -> pd.DataFrame:
    return _table(folder / "spatial" / "tissue_positions.parquet").set_index("barcode")


def _table(path: Path) -> pd.DataFrame:
    return pyarrow.parquet.read_table(path).to_pandas()


def _matrix(path: Path) -> tuple[sp.csr_matrix, list[str], list[str]]:
    with h5py.File(path) as file:
        matrix = file["matrix"]
        parts = (matrix["data"][:], matrix["indices"][:], matrix["indptr"][:])
        barcodes = [name.decode() for name in matrix["barcodes"][:]]
        kinds = [name.decode() for name in matrix["features/feature_type"][:]]
        return sp.csr_matrix(parts, shape=matrix["shape"][:][::-1]), barcodes, kinds


def _summed(places, counts: sp.csr_matrix) -> dict:
    """Counts by place: of the rows that have it in common."""
    rows = defaultdict(list)
    for row, place in enumerate(places):
        rows[tuple(int(number) for number in place)].append(row)
    return {place: np.asarray(counts[of].sum(axis=0)).ravel() for place, of in rows.items()}
