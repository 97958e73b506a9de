"""Space Ranger 1 to 4: every layout of positions, counts and image gives the same section."""

import json
import shutil
import sys
from contextlib import suppress

import h5py
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


@pytest.mark.parametrize("positions", ["list", "csv", "parquet"])
@pytest.mark.parametrize("image", ["hires", "lowres", "full"])
@pytest.mark.parametrize("counts", ["h5", "v2", "mtx"])
def test_all_layouts_give_the_same_section(writer, positions, image, counts):
    section = read_section(writer.spaceranger(positions, image, counts), Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    assert section.measured.gene_names == ("ALPHA", "BETA", "GAMMA")
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    assert section.slide.mpp == pytest.approx(100 / writer.truth.step_px)
    assert any(("he.png" if image == "full" else image) in note for note in section.notes)


def test_parquet_without_its_library_names_the_install(writer, monkeypatch):
    source = writer.spaceranger("parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataContractError, match=r"histoscribe\[parquet\]"):
        read_section(source, Filters())


def test_positions_are_known_by_content_not_by_name(writer):
    source = writer.spaceranger("list")
    spatial = writer.folder / "outs" / "spatial"
    (spatial / "tissue_positions_list.csv").rename(spatial / "tissue_positions.csv")
    assert len(read_section(source, Filters()).spots) == 12


def test_hires_goes_before_lowres_and_the_outs_folder_may_be_given(writer):
    source = writer.spaceranger("csv", "lowres")
    spatial = writer.folder / "outs" / "spatial"
    shutil.copy(spatial / "tissue_lowres_image.png", spatial / "tissue_hires_image.png")
    at_outs = type(source)(section="S", patient="P", kind="spaceranger", path=spatial.parent)
    assert read_section(at_outs, Filters()).slide.path.name == "tissue_hires_image.png"


def test_spots_off_the_tissue_are_dropped_and_counted(writer):
    source = writer.spaceranger("csv")
    path = writer.folder / "outs" / "spatial" / "tissue_positions.csv"
    table = pd.read_csv(path)
    table.loc[:3, "in_tissue"] = 0
    table.to_csv(path, index=False)
    section = read_section(source, Filters())
    assert section.dropped == {"in_tissue": 4}
    assert section.spots.ids == tuple(writer.barcodes[4:])
    assert len(read_section(source, Filters(in_tissue=False)).spots) == 12


def test_antibodies_are_no_genes(writer):
    section = read_section(writer.spaceranger(), Filters())
    assert "CD3" not in section.measured.gene_names
    assert any("no genes" in note for note in section.notes)


def test_barcodes_without_a_position_are_an_error(writer):
    source = writer.spaceranger("csv")
    path = writer.folder / "outs" / "spatial" / "tissue_positions.csv"
    pd.read_csv(path).iloc[2:].to_csv(path, index=False)
    with pytest.raises(DataContractError, match="2 of 12 barcodes"):
        read_section(source, Filters())


@pytest.mark.parametrize("content", [None, "{}", "{", json.dumps({"tissue_hires_scalef": 0})])
def test_missing_scale_factors_are_one_message(writer, content):
    source = writer.spaceranger()
    path = writer.folder / "outs" / "spatial" / "scalefactors_json.json"
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(DataContractError, match="scalefactors_json"):
        read_section(source, Filters())


@pytest.mark.parametrize("place", ["binned_outputs", "outs/binned_outputs", "square_008um"])
def test_a_visium_hd_folder_is_recognised(writer, place):
    source = writer.spaceranger()
    (writer.folder / place).mkdir(parents=True)
    with pytest.raises(DataContractError, match="write `visium_hd` in the column `kind`"):
        read_section(source, Filters())


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("outs/spatial/tissue_positions.csv", "no spot positions"),
        ("outs/sample_filtered_feature_bc_matrix.h5", "no count matrix"),
        ("outs/spatial/tissue_hires_image.png", "no image"),
    ],
)
def test_a_missing_file_is_named(writer, missing, message):
    source = writer.spaceranger()
    (writer.folder / missing).unlink()
    with pytest.raises(DataContractError, match=message):
        read_section(source, Filters())


def test_a_truncated_matrix_is_one_message(writer):
    source = writer.spaceranger()
    path = writer.folder / "outs" / "sample_filtered_feature_bc_matrix.h5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataContractError, match="truncated or damaged"):
        read_section(source, Filters())


def test_several_matrices_in_a_folder_are_not_guessed_between(writer):
    source = writer.spaceranger()
    path = writer.folder / "outs" / "sample_filtered_feature_bc_matrix.h5"
    shutil.copy(path, path.with_name("other_filtered_feature_bc_matrix.h5"))
    with pytest.raises(DataContractError, match="several"):
        read_section(source, Filters())


@pytest.mark.parametrize(("positions", "counts"), [("parquet", "mtx"), ("list", "v2")])
@pytest.mark.parametrize("fraction", [0.0, 0.5, 0.95])
def test_a_file_cut_anywhere_never_raises_anything_but_a_message(
    writer, positions, counts, fraction
):
    source = writer.spaceranger(positions, "full", counts)
    for _ in writer.cut_each_file(fraction):
        # some files are still whole to their format, e.g. a table that lost its last line
        with suppress(DataContractError):
            read_section(source, Filters()).slide.pixel_hash()


@pytest.mark.parametrize("value", [-1.0, 0.5])
def test_a_matrix_of_no_counts_is_refused(writer, value):
    source = writer.spaceranger()
    with h5py.File(writer.folder / "outs" / "sample_filtered_feature_bc_matrix.h5", "r+") as file:
        data = file["matrix/data"][()].astype(np.float64)
        data[3] = value
        del file["matrix/data"]
        file["matrix/data"] = data
    with pytest.raises(DataContractError, match="whole numbers >= 0"):
        read_section(source, Filters())
