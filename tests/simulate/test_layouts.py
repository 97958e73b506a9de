"""The same simulated molecules as different instruments write them."""

import json
from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
import scipy.sparse as sp

from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.simulate import read_truth, simulate

SMALL = {"spots_per_section": 30, "genes_per_family": 2, "seed": 3}
SQUARE_UM, MPP = 100.0, 0.5
BINS = ("square_002um", "square_008um", "square_016um")


@pytest.fixture(scope="module")
def visium(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("visium")
    simulate(out, 1, **SMALL)
    return out


@pytest.fixture(scope="module")
def visium_hd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("visium_hd")
    simulate(out, 1, layout="visium_hd", **SMALL)
    return out


def test_the_manifest_names_the_kind_and_files_of_the_layout(visium_hd):
    row = pd.read_csv(visium_hd / "cohort.csv").loc[0]
    assert row["kind"] == "visium_hd"
    assert (visium_hd / row["path"] / "binned_outputs").is_dir()
    assert image_mpp(visium_hd / row["image"]) == pytest.approx(row["mpp"])


def test_truth_and_image_are_those_of_the_visium(visium, visium_hd):
    one, other = read_truth(visium, "P1S1"), read_truth(visium_hd, "P1S1")
    assert one.spot_ids == other.spot_ids
    np.testing.assert_array_equal(one.rates, other.rates)
    images = [open_slide(visium / "P1S1.jpg", MPP), open_slide(visium_hd / "P1S1.btf", MPP)]
    pixels = [slide.overview(MPP).astype(int) for slide in images]
    assert np.quantile(np.abs(pixels[0] - pixels[1]), 0.95) < 12, "both are JPEG"


@pytest.mark.parametrize("bins", BINS)
def test_bins_pooled_to_squares_have_the_counts_of_the_spots_in_them(visium, visium_hd, bins):
    folder = visium_hd / "P1S1" / "binned_outputs" / bins
    counts, barcodes, _ = _matrix(folder / "filtered_feature_bc_matrix.h5")
    table = _positions(folder)
    bin_um = float(bins[7:10])
    square = ((table[["array_row", "array_col"]] + 0.5) * bin_um // SQUARE_UM).astype(int)
    pooled = _summed(square.loc[barcodes].itertuples(index=False, name=None), counts)
    spots = _spots_in_squares(visium, table, bin_um)
    assert set(spots) <= set(pooled)
    for place, total in pooled.items():
        np.testing.assert_array_equal(total, spots.get(place, 0 * total))


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


def _positions(folder: Path) -> pd.DataFrame:
    path = folder / "spatial" / "tissue_positions.parquet"
    return pyarrow.parquet.read_table(path).to_pandas().set_index("barcode")


def _matrix(path: Path) -> tuple[sp.csr_matrix, list[str], list[str]]:
    with h5py.File(path) as file:
        matrix = file["matrix"]
        parts = (matrix["data"][:], matrix["indices"][:], matrix["indptr"][:])
        barcodes = [name.decode() for name in matrix["barcodes"][:]]
        kinds = [name.decode() for name in matrix["features/feature_type"][:]]
        return sp.csr_matrix(parts, shape=matrix["shape"][:][::-1]), barcodes, kinds


def _spots_in_squares(visium: Path, bins: pd.DataFrame, bin_um: float) -> dict:
    """Counts of the Visium, summed over the spots whose centre lies in a square of the array."""
    counts, barcodes, _ = _matrix(visium / "P1S1" / "filtered_feature_bc_matrix.h5")
    spots = pd.read_csv(visium / "P1S1" / "spatial" / "tissue_positions.csv", index_col="barcode")
    corner = bins.loc[bins[["array_row", "array_col"]].sum(axis=1) == 0].iloc[0]
    left = corner["pxl_col_in_fullres"] * MPP + bin_um / 2.0
    top = corner["pxl_row_in_fullres"] * MPP - bin_um / 2.0
    row = (spots["pxl_row_in_fullres"] * MPP - top) // SQUARE_UM
    column = (left - spots["pxl_col_in_fullres"] * MPP) // SQUARE_UM
    places = zip(row[barcodes].astype(int), column[barcodes].astype(int), strict=True)
    return _summed(places, counts)


def _summed(places, counts: sp.csr_matrix) -> dict:
    """Counts by place: of the rows that have it in common."""
    rows = defaultdict(list)
    for row, place in enumerate(places):
        rows[tuple(int(number) for number in place)].append(row)
    return {place: np.asarray(counts[of].sum(axis=0)).ravel() for place, of in rows.items()}
