"""Visium HD: bins of any size give the squares of one truth, at their place on the image."""

import json
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from tests.io.sections.hd_writer import (
    GENES,
    HIRES,
    MPP,
    SIDE,
    SYMBOLS,
    centres,
    pixels,
    summed,
    to_px,
    write_bins,
    write_run,
    write_segmented,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that no test changes."""
    run = write_run(tmp_path_factory.mktemp("hd") / "run")
    run.image()
    return run


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "run", (8,))


def read(source):
    return read_section(source, Filters())


def refused(source):
    with pytest.raises(DataContractError) as caught:
        read(source)
    return str(caught.value)


def truth(run, pool_um):
    """Counts of the squares that lie on tissue by half or more, by row and column."""
    counts = run.counts * run.in_tissue[..., None]
    factor = pool_um // 2
    is_in = summed(run.in_tissue[..., None], factor)[..., 0] * 2 >= factor**2
    of_squares = summed(counts, factor)
    return {(r, c): of_squares[r, c] for r, c in zip(*np.nonzero(is_in), strict=True)}


@pytest.mark.parametrize("pool_um", [16, 32, 80])
def test_squares_have_the_molecules_of_the_truth(whole, pool_um):
    section = read(whole.source(image=whole.root / "slide.btf", pool_um=str(pool_um)))
    expected = truth(whole, pool_um)
    assert [tuple(place) for place in section.spots.array.astype(int)] == sorted(expected)
    counts = np.array([expected[key] for key in sorted(expected)])
    np.testing.assert_array_equal(section.measured.matrix.toarray(), counts)
    assert (section.measured.gene_ids, section.measured.gene_names) == (GENES, SYMBOLS)


def test_squares_lie_where_the_bins_lie_on_the_turned_and_mirrored_image(whole):
    section = read(whole.source(image=whole.root / "slide.btf", pool_um="32"))
    centre_um = (section.spots.array[:, ::-1] + 0.5) * 32
    np.testing.assert_allclose(section.spots.xy, to_px(centre_um), atol=1e-6)
    assert section.slide.mpp == pytest.approx(MPP)
    assert (section.spots.shape, section.spots.pitch_um) == ("squares", 32.0)
    assert any("pooled: " in note and "bins of 16 um" in note for note in section.notes)
    x, y = section.spots.xy[0]
    red, green, _ = section.slide.read((x, y), 3, MPP)[1, 1]
    np.testing.assert_allclose([red, green], [x / 760 * 255, y / 800 * 255], atol=2)


@pytest.mark.parametrize(
    ("pool_um", "bin_um"), [("80", 16), ("24", 8), ("50", 2), ("55", 2), ("8", 8), ("", 2)]
)
def test_the_largest_bins_that_fill_a_square_without_a_rest_are_read(whole, pool_um, bin_um):
    section = read(whole.source(pool_um=pool_um) if pool_um else whole.source())
    assert any(f"bins of {bin_um} um" in note for note in section.notes)


@pytest.mark.parametrize("place", ["", "outs", "outs/binned_outputs"])
def test_any_folder_of_the_run_can_be_named(whole, place):
    section = read(whole.source(whole.root / place, pool_um="16"))
    assert section.spots.ids[0] == "s_16um_00000_00000"


def test_one_folder_of_bins_under_any_name_can_be_named(run, tmp_path):
    shutil.move(run.bins(8), tmp_path / "my section")
    section = read(run.source(tmp_path / "my section", pool_um="16"))
    expected = truth(run, 16)
    assert section.measured.matrix.sum() == sum(of.sum() for of in expected.values())


def test_files_side_by_side_are_read(run, tmp_path):
    flat = tmp_path / "flat"
    flat.mkdir()
    for path in [*run.bins(8).iterdir(), *(run.bins(8) / "spatial").iterdir()]:
        if path.is_file():
            shutil.copy(path, flat / f"GSM1_S1_{path.name}")
    assert len(read(run.source(flat, pool_um="32")).spots) == len(truth(run, 32))


def test_the_hires_image_is_a_fallback_with_a_note(run):
    section = read(run.source(pool_um="80"))
    assert section.slide.path.name == "tissue_hires_image.png"
    assert section.slide.mpp == pytest.approx(MPP / HIRES)
    assert any("at 2 um/px, as no full-resolution image is named" in n for n in section.notes)
    np.testing.assert_allclose(
        section.spots.xy, HIRES * to_px((section.spots.array[:, ::-1] + 0.5) * 80), atol=1e-6
    )


def test_bins_stay_as_they_are_without_pooling(run):
    section = read(run.source(pool="none"))
    array = section.spots.array.astype(int)
    assert section.spots.pitch_um == 8.0
    assert section.spots.ids[0] == f"s_008um_{array[0, 0]:05d}_{array[0, 1]:05d}-1"
    np.testing.assert_array_equal(
        section.measured.matrix.toarray(), summed(run.counts, 4)[tuple(array.T)]
    )
    np.testing.assert_allclose(section.spots.xy, HIRES * to_px((array[:, ::-1] + 0.5) * 8))
    assert "bins of 8 um, not pooled" in section.notes


def test_a_slight_perspective_of_the_registration_is_followed(run):
    path = run.bins(8) / "spatial" / "tissue_positions.parquet"
    table = pd.read_parquet(path)
    x, y = table["pxl_col_in_fullres"].to_numpy(), table["pxl_row_in_fullres"].to_numpy()
    table["pxl_col_in_fullres"] = x / (1 + 2e-5 * y)
    table.to_parquet(path)
    section = read(run.source(image=run.image(), pool_um="16"))
    bent = to_px((section.spots.array[:, ::-1] + 0.5) * 16)
    bent[:, 0] /= 1 + 2e-5 * bent[:, 1]
    np.testing.assert_allclose(section.spots.xy, bent, atol=0.05)


def test_chunks_of_the_matrix_give_the_same_section(run, monkeypatch):
    source = run.source(pool_um="16")
    one = read(source)
    monkeypatch.setattr("histoscribe.io.sections.matrix_chunks._CHUNK", 50)
    many = read(source)
    assert (one.measured.matrix != many.measured.matrix).nnz == 0
    bins = read(run.source(pool="none"))
    monkeypatch.undo()
    assert (bins.measured.matrix != read(run.source(pool="none")).measured.matrix).nnz == 0


def test_the_raw_matrix_gives_the_section_of_the_filtered_one(run):
    filtered = read(run.source(pool_um="16"))
    array, _ = centres(SIDE // 4, 8)
    folder = run.bins(8)
    shutil.rmtree(folder)
    everywhere = np.ones_like(run.in_tissue)
    write_bins(folder, type(run)(run.root, run.counts, everywhere), 8)
    table = pd.read_parquet(folder / "spatial" / "tissue_positions.parquet")
    is_in = summed(run.in_tissue[..., None], 4)[..., 0] * 2 > 16
    table["in_tissue"] = is_in[table["array_row"], table["array_col"]].astype(int)
    table.to_parquet(folder / "spatial" / "tissue_positions.parquet")
    raw = read(run.source(pool_um="16"))
    assert raw.spots.ids == filtered.spots.ids
    assert (raw.measured.matrix != filtered.measured.matrix).nnz == 0
    assert len(array) > len(raw.spots)


def test_um_per_px_that_contradicts_the_lattice_is_refused(run):
    path = run.bins(8) / "spatial" / "scalefactors_json.json"
    factors = json.loads(path.read_text())
    path.write_text(json.dumps(factors | {"microns_per_pixel": 0.45}))
    told = refused(run.source(image=run.image()))
    assert "microns_per_pixel gives 0.45 um/px" in told
    assert "16 px apart give 0.5" in told
    path.write_text(json.dumps(factors | {"bin_size_um": 16.0}))
    assert "barcodes of bins of 8 um, and bin_size_um 16" in refused(run.source())


def test_an_image_of_another_resolution_is_refused(run):
    source = run.source(image=run.image())
    assert "differ by more than 5 %" in refused(type(source)(**{**vars(source), "mpp": 0.25}))


def test_positions_that_do_not_follow_the_array_are_refused(run):
    path = run.bins(8) / "spatial" / "tissue_positions.parquet"
    table = pd.read_parquet(path)
    table["pxl_row_in_fullres"] = (
        table["pxl_row_in_fullres"].sample(frac=1.0, random_state=1).values
    )
    table.to_parquet(path)
    assert "from the place of its row and column" in refused(run.source())


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"pool_um": "5000"}, "at least 2 squares"),
        ({"pool_um": "4"}, "bins of 8 um, larger than a square of 4 um"),
        ({"pool_um": "0"}, "pool_um '0'"),
        ({"pool": "cells"}, "one of bins, none"),
        ({"pool": "none", "pool_um": "16"}, "where nothing is pooled"),
    ],
)
def test_sizes_that_cannot_be_pooled_are_refused(run, facts, message):
    assert message in refused(run.source(**facts))


def test_a_run_without_an_image_says_which_one_is_missing(run):
    (run.bins(8) / "spatial" / "tissue_hires_image.png").unlink()
    told = refused(run.source())
    assert "no image" in told
    assert "column `image`" in told


def test_several_sizes_are_not_guessed_between_without_pooling(whole):
    told = refused(whole.source(pool="none"))
    assert "square_002um (2 um)" in told
    assert "name the folder of one size" in told


def test_a_folder_without_bins_names_what_to_do(tmp_path, run):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no folder of bins" in refused(run.source(empty))
    (empty / "binned_outputs.tar.gz").touch()
    assert "unpack binned_outputs.tar.gz" in refused(run.source(empty))
    shutil.rmtree(run.bins(8))
    write_segmented(run)
    assert "give its `segmented_outputs`" in refused(run.source(run.root / "outs"))


def test_barcodes_without_a_position_are_named(run):
    path = run.bins(8) / "spatial" / "tissue_positions.parquet"
    table = pd.read_parquet(path)
    table[table["array_row"] > 2].to_parquet(path)
    assert "barcodes have counts and no position, e.g. s_008um_0000" in refused(run.source())


def test_barcodes_of_spots_are_no_bins(run):
    path = run.bins(8) / "filtered_feature_bc_matrix.h5"
    with h5py.File(path, "r+") as file:
        n = len(file["matrix/barcodes"])
        del file["matrix/barcodes"]
        file["matrix/barcodes"] = np.array([f"AACCGGTTAACCGGTT{i:06d}-1" for i in range(n)], "S")
    assert "barcodes that are no bins, e.g. 'AACC" in refused(run.source())


@pytest.mark.parametrize("name", ["data", "indices", "indptr"])
def test_a_damaged_matrix_is_one_message(run, name):
    path = run.bins(8) / "filtered_feature_bc_matrix.h5"
    with h5py.File(path, "r+") as file:
        values = file[f"matrix/{name}"][()]
        values[3] = -7
        file[f"matrix/{name}"][...] = values
    assert str(path) in refused(run.source(pool_um="16"))


def test_a_truncated_table_is_one_message(run):
    path = run.bins(8) / "spatial" / "tissue_positions.parquet"
    path.write_bytes(path.read_bytes()[:2000])
    assert "not a table" in refused(run.source())


def test_segmented_cells_are_a_shape_of_their_own(run):
    folder = write_segmented(run)
    section = read(run.source(folder, run.image()))
    assert (section.spots.shape, section.spots.pitch_um) == ("cells", None)
    assert section.spots.ids[0] == "cellid_000000012-1"
    np.testing.assert_array_equal(section.measured.matrix.toarray()[-1], [1, 2, 3])
    octagon = 2 * np.sqrt(2) * 10**2
    assert section.spots.diameter_um == pytest.approx(2 * np.sqrt(octagon / np.pi) * MPP)
    expected = to_px(np.random.default_rng(5).uniform(30, 230, (12, 2)))
    np.testing.assert_allclose(section.spots.xy, expected[::-1], atol=1e-6)
    assert section.slide.mpp == MPP
    nuclei = run.source(folder, run.root / "slide.btf")
    nuclei = type(nuclei)(**{**vars(nuclei), "spots": folder / "nucleus_segmentations.geojson"})
    assert read(nuclei).spots.diameter_um == pytest.approx(section.spots.diameter_um / 2)


def test_segmented_cells_without_their_polygon_are_named(run):
    folder = write_segmented(run)
    path = folder / "cell_segmentations.geojson"
    content = json.loads(path.read_text())
    del content["features"][0]
    path.write_text(json.dumps(content))
    assert "1 of 12 cells have counts and no polygon" in refused(run.source(folder))
    path.write_text('{"features": [{"geometry": {"coordinates": []}}]}')
    assert "no polygons with a cell_id" in refused(run.source(folder))
    assert "one of none" in refused(run.source(folder, pool="bins"))


def test_the_writer_draws_the_image_that_positions_are_made_for():
    assert pixels().shape == (800, 760, 3)
    assert (to_px(centres(SIDE, 2.0)[1]) >= 0).all()
