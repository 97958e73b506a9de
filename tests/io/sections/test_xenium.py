"""Xenium: cells, transcripts, and the H&E image that a matrix places on them."""

import shutil
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections import transcripts
from histoscribe.io.sections.alignment import read_alignment
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from tests.io.sections.xenium_writer import CONTROLS, PIXEL_UM, write_alignment, write_transcripts

TURNS = {
    "as it is": [[1, 0], [0, 1]],
    "a quarter to the right": [[0, -1], [1, 0]],
    "a quarter to the left": [[0, 1], [-1, 0]],
    "upside down": [[-1, 0], [0, -1]],
    "mirrored": [[-1, 0], [0, 1]],
    "mirrored and a quarter to the right": [[0, 1], [1, 0]],
}
"""From px of the image as scanned to those of the truth."""


def with_facts(source, **facts):
    return replace(source, facts={**source.facts, **facts})


@pytest.mark.parametrize("turn", TURNS.values(), ids=TURNS)
@pytest.mark.parametrize("pool", ["cells", "none"])
def test_every_cell_keeps_its_pixels_however_the_image_was_scanned(writer, turn, pool):
    section = read_section(with_facts(writer.xenium(np.array(turn)), pool=pool), Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    for xy, colour in zip(section.spots.xy, writer.truth.colour, strict=True):
        tile = section.slide.read((xy[0], xy[1]), 3, section.slide.mpp)
        assert (tile == colour).all()
    assert section.slide.mpp == pytest.approx(100 / writer.truth.step_px)
    (said,) = [note for note in section.notes if "to lie on the Xenium data" in note]
    assert ("mirrored left to right" in said) == (np.linalg.det(turn) < 0)


def test_the_matrix_goes_from_he_px_to_morphology_px_as_10x_documents_it(writer):
    """The example of 10x: the corner of the H&E image has these morphology px."""
    source = writer.xenium()
    corner = (807.9788953065927, 73097.655174759)
    turn = (0.011071028838929093, 1.2895790134339569)
    matrix = np.array([[turn[0], turn[1], corner[0]], [-turn[1], turn[0], corner[1]], [0, 0, 1]])
    write_alignment(writer.folder / "S_he_imagealignment.csv", matrix)
    found = read_alignment(writer.folder / "S_he_imagealignment.csv", PIXEL_UM)
    um = np.array(corner) * PIXEL_UM
    np.testing.assert_allclose(found.to_px[:, :2] @ um + found.to_px[:, 2], (0, 0), atol=1e-6)
    assert found.mpp == pytest.approx(PIXEL_UM * np.hypot(*turn))
    assert source.alignment is None


def test_squares_are_counted_from_the_corner_of_the_data_whatever_the_image(writer):
    section = read_section(writer.xenium(np.array(TURNS["mirrored"])), Filters())
    spots = section.spots
    assert (spots.shape, spots.diameter_um, spots.pitch_um) == ("squares", 100.0, 100.0)
    np.testing.assert_array_equal(spots.array, writer.truth.array[:, ::-1])
    assert spots.ids[1] == "s_100um_00000_00001"


def test_cells_are_spots_of_their_typical_size_without_a_pool(writer):
    section = read_section(with_facts(writer.xenium(), pool="none"), Filters())
    assert (section.spots.shape, section.spots.pitch_um) == ("cells", None)
    assert section.spots.diameter_um == pytest.approx(10.0)
    assert section.spots.ids[0] == "aaaa0000-1"


def test_squares_of_another_size_hold_the_sum_of_their_cells(writer):
    section = read_section(with_facts(writer.xenium(), pool_um="200"), Filters())
    row, column = writer.truth.array[:, 1] // 2, writer.truth.array[:, 0] // 2
    for (square_row, square_column), counts in zip(
        section.spots.array, section.measured.matrix.toarray(), strict=True
    ):
        of_square = (row == square_row) & (column == square_column)
        np.testing.assert_array_equal(counts, writer.truth.counts[of_square].sum(axis=0))
    assert len(section.spots) == 4


def test_controls_are_left_out_and_counted(writer):
    section = read_section(writer.xenium(), Filters())
    assert section.measured.gene_names == ("ALPHA", "BETA", "GAMMA")
    assert any(f"{len(CONTROLS)} features that are no genes" in note for note in section.notes)
    assert any("panel of 3 genes: the depth of a spot" in note for note in section.notes)


@pytest.mark.parametrize("kind", ["bytes", "numbers"])
def test_early_files_with_bytes_or_numbers_as_ids_are_read(writer, kind):
    source = writer.xenium()
    path = source.path / "cells.parquet"
    table = pd.read_parquet(path)
    if kind == "bytes":
        table["cell_id"] = table["cell_id"].str.encode("utf-8")
    else:
        table["cell_id"] = np.arange(1, 13, dtype=np.int32)
        with h5py.File(source.path / "cell_feature_matrix.h5", "r+") as file:
            del file["matrix/barcodes"]
            file["matrix/barcodes"] = [str(n).encode() for n in range(1, 13)]
    table.to_parquet(path)
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)


def test_cells_in_another_order_than_the_counts_are_matched_by_id(writer):
    source = writer.xenium()
    path = source.path / "cells.parquet"
    pd.read_parquet(path).iloc[::-1].to_parquet(path)
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)


def test_cells_of_another_run_are_refused(writer):
    source = writer.xenium()
    path = source.path / "cells.parquet"
    pd.read_parquet(path).assign(cell_id=[f"b{n}" for n in range(12)]).to_parquet(path)
    with pytest.raises(DataContractError, match="0 of its 12 cells are among the 12"):
        read_section(source, Filters())


@pytest.fixture
def molecules(writer):
    """A transcript for each count of the truth, in random places of its square."""
    truth, rng = writer.truth, np.random.default_rng(0)
    spot, gene = np.nonzero(truth.counts)
    repeat = truth.counts[spot, gene]
    spot, gene = np.repeat(spot, repeat), np.repeat(gene, repeat)
    corner = truth.array[spot] * 100.0
    um = corner + rng.uniform(0, 100, (len(spot), 2))
    names = np.array(["ALPHA", "BETA", "GAMMA"])[gene]
    table = pd.DataFrame(
        {"feature_name": names, "x_location": um[:, 0], "y_location": um[:, 1], "qv": 20.0}
    )
    return table.sample(frac=1, random_state=0).astype({"x_location": np.float32})


@pytest.mark.parametrize("words", ["text", "bytes", "category"])
def test_transcripts_of_good_quality_are_summed_into_squares(writer, molecules, words, monkeypatch):
    monkeypatch.setattr(transcripts, "_BATCH", 50)
    source = with_facts(writer.xenium(), pool="transcripts")
    low = molecules[:30].assign(qv=19.9)
    low.loc[low.index[0], "qv"] = np.nan
    control = molecules[:11].assign(feature_name="NegControlProbe_00042", qv=40.0)
    table = pd.concat([low, molecules, control])
    if words == "bytes":
        table["feature_name"] = table["feature_name"].str.encode("utf-8")
    elif words == "category":
        table["feature_name"] = table["feature_name"].astype("category")
    write_transcripts(source.path, table)
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    (note,) = [note for note in section.notes if note.startswith("pooled")]
    assert f"from {len(molecules)} transcripts" in note
    assert "30 of lower qv, 11 of no gene" in note


def test_transcripts_of_another_panel_are_refused(writer, molecules):
    source = with_facts(writer.xenium(), pool="transcripts")
    write_transcripts(source.path, molecules.assign(feature_name="DELTA"))
    with pytest.raises(DataContractError, match="no transcript of qv 20 or more is of a gene"):
        read_section(source, Filters())


def test_a_pool_of_transcripts_without_their_file_is_refused(writer):
    with pytest.raises(DataContractError, match=r"no transcripts\.parquet"):
        read_section(with_facts(writer.xenium(), pool="transcripts"), Filters())


def test_an_image_without_alignment_is_refused_with_both_ways_out(writer):
    source = writer.xenium()
    (writer.folder / "S_he_imagealignment.csv").unlink()
    with pytest.raises(DataContractError, match="no alignment of the H&E image") as caught:
        read_section(source, Filters())
    remedy = caught.value.problems[0].remedy
    assert "column `alignment`" in remedy
    assert "`yes` in the column `aligned`" in remedy


def test_an_image_that_is_said_to_be_aligned_begins_at_the_corner_of_the_data(writer):
    source = writer.xenium()
    (writer.folder / "S_he_imagealignment.csv").unlink()
    section = read_section(replace(with_facts(source, aligned="yes"), mpp=5.5), Filters())
    np.testing.assert_allclose(section.spots.xy, (writer.truth.array + 0.5) * 100 / 5.5)
    assert any("the manifest says that the H&E image is aligned" in note for note in section.notes)


def test_an_aligned_image_without_um_per_px_has_the_px_of_the_morphology_image(writer):
    source = with_facts(writer.xenium(), aligned="yes")
    with pytest.raises(DataContractError, match="aligned 'yes', and the alignment S_he_image"):
        read_section(source, Filters())
    (writer.folder / "S_he_imagealignment.csv").unlink()
    writer.replace_image(source, np.full((1500, 1900, 3), 200, dtype=np.uint8))
    section = read_section(source, Filters())
    assert section.slide.mpp == PIXEL_UM


def test_the_alignment_of_the_image_goes_before_another_one(writer):
    source = writer.xenium()
    write_alignment(writer.folder / "S_if_imagealignment.csv", np.diag([9.0, 9.0, 1.0]))
    assert len(read_section(source, Filters()).spots) == 12
    renamed = source.image.rename(writer.folder / "scan.png")
    with pytest.raises(DataContractError, match="2 alignment files of the H&E image"):
        read_section(replace(source, image=renamed), Filters())
    named = replace(source, image=renamed, alignment=writer.folder / "S_he_imagealignment.csv")
    assert len(read_section(named, Filters()).spots) == 12


def test_the_alignment_of_another_image_is_never_taken(writer):
    source = writer.xenium()
    other = shutil.copy(source.image, writer.folder / "T_he_image.png")
    with pytest.raises(DataContractError, match="no alignment of the H&E image"):
        read_section(replace(source, image=other), Filters())


def test_an_alignment_of_no_image_is_not_taken_where_two_images_lie(writer):
    source = writer.xenium()
    loose = writer.folder / "run_imagealignment.csv"
    (writer.folder / "S_he_imagealignment.csv").rename(loose)
    assert len(read_section(source, Filters()).spots) == 12
    shutil.copy(source.image, writer.folder / "T_he_image.png")
    with pytest.raises(DataContractError, match="no alignment of the H&E image"):
        read_section(source, Filters())
    assert len(read_section(replace(source, alignment=loose), Filters()).spots) == 12


def test_a_matrix_exported_the_other_way_round_stops(writer):
    """Its um/px contradicts that of the image, or the cells lie outside."""
    source = writer.xenium()
    path = writer.folder / "S_he_imagealignment.csv"
    matrix = np.loadtxt(path, delimiter=",")
    write_alignment(path, np.linalg.inv(matrix))
    with pytest.raises(DataContractError, match="outside the image"):
        read_section(source, Filters())
    with pytest.raises(DataContractError, match="from the alignment"):
        read_section(replace(source, mpp=5.0), Filters())


BAD = {
    "1,0,0\n0,1,0\n": "no matrix of 3 x 3 numbers",
    "fixedX,fixedY,alignmentX,alignmentY\n1,2,3,4\n1,2,3,4\n1,2,3,4\n": r"keypoints\.csv",
    "1,0,0\n0,1,0\n0,0,2\n": "a last line",
    "1,1,0\n1,1,0\n0,0,1\n": "a line or point",
    "1,0,0\n0,2,0\n0,0,1\n": "px that are not square",
    "1,0,nan\n0,1,0\n0,0,1\n": "no matrix of 3 x 3 numbers",
    "": "no matrix of 3 x 3 numbers",
}


@pytest.mark.parametrize(("text", "said"), BAD.items())
def test_what_is_no_alignment_matrix_is_said(writer, text, said):
    source = writer.xenium()
    (writer.folder / "S_he_imagealignment.csv").write_text(text)
    with pytest.raises(DataContractError, match=said):
        read_section(source, Filters())


def test_a_square_larger_than_the_section_is_refused(writer):
    with pytest.raises(DataContractError, match="at least 2 squares"):
        read_section(with_facts(writer.xenium(), pool_um="5000"), Filters())


def test_names_with_the_sample_in_front_are_read(writer):
    source = writer.xenium()
    for path in list(source.path.iterdir()):
        path.rename(path.with_name(f"GSM1_{path.name}"))
    assert len(read_section(source, Filters()).spots) == 12


def test_a_folder_without_the_file_of_px_says_what_is_assumed(writer):
    source = writer.xenium()
    (source.path / "experiment.xenium").unlink()
    notes = read_section(source, Filters()).notes
    assert any("morphology px of 0.2125 um assumed" in note for note in notes)
