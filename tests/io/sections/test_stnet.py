"""The ST-Net data set: what its metadata names is found, and nothing else is guessed."""

import gzip
import shutil

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.catalog import catalog_sources
from histoscribe.io.cohorts.cohort import check_cohort, read_cohort, resolved
from histoscribe.io.cohorts.stnet_folder import stnet_sources
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from tests.cli.small import histoscribe

__all__ = ["histoscribe"]


@pytest.fixture
def folder(writer):
    """A data set of one section, BC1_C1."""
    writer.stnet()
    return writer.folder


def problems(of):
    with pytest.raises(DataContractError) as caught:
        of()
    return [f"{problem.where}: {problem.found}" for problem in caught.value.problems]


def add_lines(folder, *lines):
    with (folder / "metadata.csv").open("a") as file:
        file.writelines(f"{line}\n" for line in lines)


def change_spots(folder, change):
    path = folder / "spots_BT1_C1.csv.gz"
    text = change(gzip.decompress(path.read_bytes()).decode())
    path.write_bytes(gzip.compress(text.encode()))


def test_a_folder_is_a_cohort_with_patients_of_its_metadata(folder, writer):
    cohort = read_cohort(f"stnet:{folder}")
    assert cohort.ids == ("BC1_C1",)
    assert cohort.patients == {"BC1_C1": "BC1"}
    section = cohort["BC1_C1"]
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy)
    assert (section.spots.pitch_um, section.spots.diameter_um) == (200.0, 100.0)
    assert section.slide.mpp == pytest.approx(200 / writer.truth.step_px)


def test_the_first_number_of_a_name_is_the_column_of_the_array(folder, writer):
    """A table with the two swapped still has the pitch, so the ids must say which is which."""
    ids = read_cohort(f"stnet:{folder}")["BC1_C1"].spots.ids
    assert ids[:5] == ("3x3", "4x3", "5x3", "6x3", "3x4")


def test_counts_beside_the_tissue_are_noted_and_take_no_part(folder, writer):
    change_spots(folder, lambda text: "\n".join(text.splitlines()[:-2]) + "\n")
    section = read_cohort(f"stnet:{folder}")["BC1_C1"]
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts[:-2])
    assert "2 rows of the count table have no position" in section.notes


def test_unpacked_files_and_the_folder_of_the_archive_are_found(folder, writer):
    for path in folder.glob("*.gz"):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    inside = folder / "x" / "Human breast cancer in situ capturing transcriptomics"
    inside.mkdir(parents=True)
    for path in [*folder.glob("*.*")]:
        shutil.move(path, inside)
    section = read_cohort(f"stnet:{folder / 'x'}")["BC1_C1"]
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts)


def test_spots_separated_by_tabs_are_the_same_spots(folder, writer):
    change_spots(folder, lambda text: text.replace(",", "\t"))
    np.testing.assert_allclose(read_cohort(f"stnet:{folder}")["BC1_C1"].spots.xy, writer.truth.xy)


def test_sections_are_chosen_by_name_and_by_the_columns_of_the_metadata(folder):
    line = "TNBC,BC2,D1,BC1_C1_stdata.tsv.gz,HE_BT1_C1.png,spots_BT1_C1.csv.gz,"
    add_lines(folder, line)
    assert read_cohort(f"stnet:{folder}").ids == ("BC1_C1", "BC2_D1")
    assert read_cohort(f"stnet:{folder}", ["BC2_D1"]).ids == ("BC2_D1",)
    assert read_cohort(f"stnet:{folder}", where={"type": "Luminal_A"}).ids == ("BC1_C1",)
    (found,) = problems(lambda: read_cohort(f"stnet:{folder}", ["BC2"]))
    assert "no section BC2" in found


def test_every_missing_file_of_the_sections_asked_for_is_named(folder):
    add_lines(folder, "TNBC,BC2,D1,a_stdata.tsv.gz,a.jpg,spots_a.csv.gz,")
    found = problems(lambda: read_cohort(f"stnet:{folder}"))
    assert len(found) == 3
    for name in ("a_stdata.tsv.gz", "a.jpg", "spots_a.csv.gz"):
        assert any(str(folder / name) in text for text in found)
    assert check_cohort(f"stnet:{folder}", ["BC1_C1"]) == []


def test_all_that_is_wrong_with_the_metadata_comes_at_once(folder):
    add_lines(
        folder,
        "TNBC,,D1,a.tsv,a.jpg,a.csv,",
        "TNBC,BC2,D/1,a.tsv,a.jpg,,",
        "TNBC,BC1,C1,a.tsv,../a.jpg,a.csv,",
    )
    found = " | ".join(problems(lambda: stnet_sources(folder)))
    for part in (
        "line 3: the patient is empty",
        "line 4: replicate 'D/1'",
        "line 4: the spot_coordinates is empty",
        "line 5: histology_image '../a.jpg'",
        "2 lines of section BC1_C1",
    ):
        assert part in found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line below the header"),
        ("type,patient,replicate\nTNBC,BC1,C1\n", "no column histology_image, count_matrix"),
        ("type,patient,replicate,count_matrix,histology_image,spot_coordinates\nTNBC\n",
         "the patient is empty"),
    ],
)  # fmt: skip
def test_another_table_under_its_name_is_refused(folder, text, words):
    (folder / "metadata.csv").write_text(text)
    assert words in " ".join(problems(lambda: stnet_sources(folder)))


def test_without_the_data_set_the_way_to_it_is_told(tmp_path, monkeypatch):
    with pytest.raises(DataContractError, match=r"data\.mendeley\.com") as caught:
        read_cohort(f"stnet:{tmp_path / 'nowhere'}")
    assert "no such folder" in str(caught.value)
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    with pytest.raises(DataContractError, match=r"data\.mendeley\.com"):
        catalog_sources("stnet")


def test_the_catalog_finds_it_among_the_data(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    shutil.copytree(folder, tmp_path / "data" / "stnet", ignore=shutil.ignore_patterns("data"))
    (source,) = catalog_sources("stnet")
    assert (source.section, source.facts["type"]) == ("BC1_C1", "Luminal_A")


def test_all_that_is_wrong_with_the_spots_comes_at_once(folder):
    def spoil(text):
        head, _, second, third, *rest = text.splitlines()
        broken = ["spot1,1.0,2.0", second.replace("15.5", "left"), third, third]
        return "\n".join([head, *broken, *rest]) + "\n"

    change_spots(folder, spoil)
    found = " | ".join(problem.found for problem in check_cohort(f"stnet:{folder}"))
    assert "1 spots not named by their array position: 'spot1'" in found
    assert "1 spots are listed twice: '5x3'" in found
    assert "values of Y that are no numbers" in found
    assert "'left'" in found


def test_a_spot_file_without_px_names_the_columns_it_has(folder):
    change_spots(folder, lambda text: text.replace(",X,Y", ",pixel_x,Y"))
    (found,) = problems(lambda: read_cohort(f"stnet:{folder}")["BC1_C1"])
    assert "no column X" in found
    assert "pixel_x" in found


def test_a_relative_folder_is_that_of_the_settings_file(tmp_path):
    assert resolved("stnet:data", tmp_path) == f"stnet:{tmp_path / 'data'}"


def test_a_manifest_may_name_such_a_section(folder):
    (folder / "cohort.csv").write_text(
        "section,patient,kind,image,counts,spots\n"
        "S,P,stnet,HE_BT1_C1.png,BC1_C1_stdata.tsv.gz,spots_BT1_C1.csv.gz\n"
    )
    assert read_section(stnet_sources(folder)[0], Filters()).spots.ids == (
        read_cohort(folder / "cohort.csv")["S"].spots.ids
    )


def test_the_command_checks_a_folder(folder, histoscribe):
    done = histoscribe("check", f"stnet:{folder}")
    assert done.code == 0
    assert "BC1_C1: patient BC1, 12 spots, 10 um/px" in done.out
    (folder / "HE_BT1_C1.png").unlink()
    assert histoscribe("check", f"stnet:{folder}").code == 2
