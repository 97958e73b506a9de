"""Known answers on the real sections."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from histoscribe.io.cohorts.catalog import data_set
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.download import local_files

pytestmark = pytest.mark.data


@pytest.mark.parametrize(
    ("section", "n_spots", "n_dropped", "mpp"),
    [
        ("A1", 346, 2, 3.2), ("A2", 325, 0, 3.2), ("B4", 283, 1, 0.69), ("C2", 187, 0, 0.69),
        ("C3", 180, 2, 0.69), ("C4", 184, 3, 0.69), ("C5", 181, 2, 0.69), ("C6", 178, 1, 0.69),
    ],
)  # fmt: skip
def test_her2st_matches_the_published_numbers(real_data, section, n_spots, n_dropped, mpp):
    del real_data
    read = read_cohort("catalog:her2st", [section])[section]
    assert len(read.spots) == n_spots
    assert read.dropped.get("no counts", 0) == n_dropped
    # within 1 %, so that a tile at the round figure is a plain crop
    assert read.slide.mpp == pytest.approx(mpp, rel=0.01)
    assert read.patient == section[0]
    assert ("re-registered" in read.notes) == (section == "A2")


def test_the_thumbnail_of_a1_is_white_and_no_spot_lies_in_it(real_data):
    del real_data
    section = read_cohort("catalog:her2st", ["A1"])["A1"]
    assert (section.slide.read((1740.0, 280.0), 500, section.slide.mpp) == 255).all()
    x, y = section.spots.xy.T
    assert not ((x > 1480) & (y < 560)).any()


def test_the_two_spot_tables_of_a1_agree(real_data: Path):
    """The frame is 32 x 34 units of 200 um, so array coordinates give px in any rescaled copy."""
    section = read_cohort("catalog:her2st", ["A1"])["A1"]
    table = np.genfromtxt(real_data / "her2st/ST-spotfiles/A1_selection.tsv", names=True)
    frame = np.stack([table["new_x"] - 1, table["new_y"] - 1], axis=1) / [32, 34]
    px = frame * [section.slide.width, section.slide.height]
    place = {f"{int(x)}x{int(y)}": xy for x, y, xy in zip(table["x"], table["y"], px, strict=True)}
    expected = np.array([place[id_] for id_ in section.spots.ids])
    np.testing.assert_allclose(section.spots.xy, expected, atol=0.1)


def test_mouse_olfactory_bulb_has_1627_spots_in_tissue(real_data: Path):
    del real_data
    cohort = read_cohort("catalog:mob-st2k")
    assert set(cohort.patients.values()) == {"not stated"}
    assert sum(len(section.spots) for section in cohort) == 1627
    for section in cohort:
        assert len(section.measured.gene_ids) == 1000
        assert not any("." in gene for gene in section.measured.gene_ids)
        assert section.slide.mpp == pytest.approx(4.4, rel=0.02)


@pytest.mark.parametrize(("name", "n_spots"), [("Vis5A_2dpi", 982), ("Vis7B_5dpi", 1011)])
def test_mouse_muscle_is_read_from_a_real_space_ranger_folder(real_data: Path, name, n_spots):
    del real_data
    section = read_cohort("catalog:visium-mouse-muscle", [name])[name]
    assert section.measured.matrix.shape == (n_spots, 33_217)
    # 277 full-resolution px between spots, at a scale of 0.027
    assert section.slide.mpp == pytest.approx(100 / (277 * 0.027017292), rel=0.01)
    assert any("lowres" in note for note in section.notes)


def test_mouse_colon_is_read_from_a_sparse_matrix(real_data: Path):
    del real_data
    section = read_cohort("catalog:visium-mouse-colon")["d0"]
    assert section.measured.matrix.shape == (2604, 4338)
    # nearest spots are 103 px = 100 um apart
    assert section.slide.mpp == pytest.approx(0.97, rel=0.01)
    assert (section.spots.pitch_um, section.spots.diameter_um) == (100, 55)


@pytest.mark.parametrize("name", ["her2st", "mob-st2k", "visium-mouse-muscle"])
def test_local_files_are_the_published_ones(real_data: Path, name):
    del real_data
    states = {file.state for file in local_files(data_set(name))}
    assert states <= {"published", "not verified"}  # the rescaled images of A1 and A2
    assert "published" in states


@pytest.mark.parametrize("genes_in", ["rows", "columns"])
@pytest.mark.parametrize(("spread", "how"), [(0.004, "new_x, new_y"), (0.3, "nearest whole")])
def test_printed_places_as_ids_give_the_same_section(
    real_data: Path, tmp_path, genes_in, spread, how
):
    """MOB was published with ids like `16.92x9.015`; the places of another measurement differ."""
    folder = real_data / "mob_st_stutility"
    published = read_cohort("catalog:mob-st2k", ["MOB1"])["MOB1"]
    spots = pd.read_csv(folder / "alignment_table_MOB1.tsv", sep="\t")
    counts = pd.read_csv(folder / "MOB1.tsv", sep="\t", index_col=0)
    rng = np.random.default_rng(0)
    whole = (spots["x"].astype(int).astype(str) + "x" + spots["y"].astype(int).astype(str)).tolist()
    base = spots[["new_x", "new_y"] if spread < 0.1 else ["x", "y"]].to_numpy(np.float64)
    places = base + rng.uniform(-spread, spread, base.shape)
    names = [f"{x:.3f}x{y:.3f}" for x, y in places]
    counts = counts.rename(index=dict(zip(whole, names, strict=True)))
    (counts if genes_in == "columns" else counts.T).to_csv(tmp_path / "counts.tsv", sep="\t")
    line = f"MOB1,M,st2k,{folder}/MOB1.jpg,counts.tsv,{folder}/alignment_table_MOB1.tsv"
    (tmp_path / "cohort.csv").write_text(f"section,patient,kind,image,counts,spots\n{line}\n")
    read = read_cohort(tmp_path / "cohort.csv")["MOB1"]
    assert read.spots.ids == published.spots.ids
    assert (read.measured.matrix != published.measured.matrix).nnz == 0
    assert any(how in note for note in read.notes)
    assert any("genes are in the rows" in note for note in read.notes) == (genes_in == "rows")
