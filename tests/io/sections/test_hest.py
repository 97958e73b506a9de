"""HEST-1k: what the metadata settles, and what the files alone would get wrong."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.cohort import check_cohort, read_cohort, read_sources
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section

STUDY, OTHER = "A study of colon", "Another study"
ROW = {
    "dataset_title": STUDY,
    "id": "S1",
    "organ": "Bowel",
    "oncotree_code": "COAD",
    "species": "Homo sapiens",
    "patient": "Patient 1",
    "st_technology": "Visium",
    "inter_spot_dist": "100",
    "spot_diameter": "55",
    "pixel_size_um_embedded": "0.2645833333333333",
    "pixel_size_um_estimated": "5.0",
}


def edit(source, **changed):
    """Change the h5ad of a sample: `obsm`, `obs`, `var_names` or `xy`."""
    data = ad.read_h5ad(source.path)
    if "xy" in changed:
        data.obsm["spatial"] = changed["xy"]
    if "var_names" in changed:
        data.var_names = changed["var_names"]
        del data.var["gene_ids"]
    for column, value in changed.get("obs", {}).items():
        data.obs[column] = value
    data.write_h5ad(source.path)


@pytest.fixture
def folder(writer):
    """A HEST folder of three samples: two of one study, one of another; gives its writer."""
    rows = [
        ROW,
        ROW | {"id": "S2", "patient": "   ", "oncotree_code": "READ"},
        ROW | {"id": "S3", "dataset_title": OTHER, "organ": "Skin", "oncotree_code": ""},
    ]
    for row in rows:
        writer.hest(row["id"])
    write_table(writer.folder, rows)
    return writer.folder


def write_table(folder: Path, rows, name="HEST_v1_1_0.csv"):
    with (folder / name).open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def correct(folder: Path, *lines: str, header="id,patient"):
    (folder / "corrections.csv").write_text("\n".join([header, *lines]) + "\n")


def refused(folder: Path, **chosen) -> str:
    with pytest.raises(DataContractError) as caught:
        read_sources(f"hest:{folder}", **chosen)
    return str(caught.value)


def test_a_folder_is_a_cohort_and_its_metadata_are_facts(folder):
    correct(folder, "S2,P2")
    sources = read_sources(f"hest:{folder}")
    assert [source.section for source in sources] == ["S1", "S2", "S3"]
    assert sources[0].facts["oncotree_code"] == "COAD"
    cohort = read_cohort(f"hest:{folder}", where={"organ": "Bowel"})
    assert [len(section.spots) for section in cohort] == [12, 12]
    assert [section.slide.mpp for section in cohort] == pytest.approx([5.0, 5.0])


def test_a_missing_patient_is_never_one_patient_a_sample(folder):
    message = refused(folder)
    assert "no patient for 1 of 3 samples: S2" in message
    assert "corrections.csv with the columns id,patient" in message
    assert len(read_sources(f"hest:{folder}", sections=["S1", "S3"])) == 2


def test_patient_1_of_two_studies_are_two_people(folder):
    correct(folder, "S2,Patient 1")
    one, two, three = (s.patient for s in read_sources(f"hest:{folder}"))
    assert one.startswith("Patient 1 of study ")
    assert three.startswith("Patient 1 of study ")
    assert len({one, two, three}) == 3
    assert two == "Patient 1"  # as you write it


def test_where_takes_a_value_or_several_of_every_column(folder):
    correct(folder, "S2,P2")
    codes = ("COAD", "READ")
    where = {"oncotree_code": codes, "organ": "Bowel", "st_technology": "Visium"}
    assert [s.section for s in read_sources(f"hest:{folder}", where=where)] == ["S1", "S2"]
    only = read_sources(f"hest:{folder}", where={"oncotree_code": "READ"})
    assert [s.section for s in only] == ["S2"]


def test_a_misspelt_column_or_value_is_told_and_never_means_fewer_sections(folder):
    message = refused(folder, where={"organs": "Bowel", "oncotree_code": ("COAD", "RAED")})
    assert "did you mean organ?" in message
    assert "no section has 'RAED'" in message
    assert "did you mean READ?" in message


def test_without_a_table_each_json_file_is_a_sample(folder):
    (folder / "HEST_v1_1_0.csv").unlink()
    (folder / "metadata").mkdir()
    row = ROW | {"pixel_size_um_estimated": 5.0, "inter_spot_dist": float("nan"), "tissue": None}
    (folder / "metadata" / "S1.json").write_text(json.dumps(row))
    (source,) = read_sources(f"hest:{folder}")
    assert source.facts["pixel_size_um_estimated"] == "5.0"
    assert not {"inter_spot_dist", "tissue"} & set(source.facts)
    assert read_section(source, Filters()).spots.pitch_um == 100


def test_table_and_json_that_disagree_on_the_patient_stop(folder):
    correct(folder, "S2,P2")
    (folder / "metadata").mkdir()
    (folder / "metadata" / "S1.json").write_text(json.dumps(ROW | {"patient": "Patient 7"}))
    assert "'Patient 1' in the table, 'Patient 7' in its JSON file" in refused(folder)
    correct(folder, "S2,P2", "S1,Patient 7")
    assert read_sources(f"hest:{folder}")[0].patient == "Patient 7"


def test_the_newest_table_is_read(folder):
    write_table(folder, [ROW | {"organ": "Lung"}], name="HEST_v1_10_0.csv")
    assert [s.facts["organ"] for s in read_sources(f"hest:{folder}")] == ["Lung"]


def test_missing_files_are_one_problem_with_the_command(folder):
    correct(folder, "S2,P2")
    (folder / "wsis" / "S1.tif").unlink()
    (folder / "st" / "S3.h5ad").unlink()
    message = refused(folder)
    assert "2 files are missing: wsis/S1.tif, st/S3.h5ad" in message
    assert "hf download MahmoodLab/hest" in message
    assert len(read_sources(f"hest:{folder}", sections=["S2"])) == 1


def test_a_folder_without_metadata_says_how_to_get_it(tmp_path):
    message = refused(tmp_path)
    assert "no metadata of HEST-1k" in message
    assert "accept the terms" in message
    assert "no such folder" in refused(tmp_path / "lost")


def test_a_study_whose_patients_are_doubted_says_so_until_corrected(folder):
    title = "Characterization of immune cell populations in the tumor microenvironment of colon"
    write_table(folder, [ROW | {"dataset_title": title}])
    (source,) = read_sources(f"hest:{folder}")
    assert any("issues/126" in note for note in source.notes)
    correct(folder, "S1,P1")
    assert read_sources(f"hest:{folder}")[0].notes == ()


def test_an_image_of_another_size_than_the_estimate_stops_with_both_values(folder, writer):
    write_table(folder, [ROW | {"pixel_size_um_estimated": "4.0"}])
    (problem,) = check_cohort(f"hest:{folder}")
    assert "5 from the spot pitch, 4 from the metadata table" in problem.found
    correct(folder, "S1,pitch", header="id,mpp_from")
    assert read_cohort(f"hest:{folder}")["S1"].slide.mpp == pytest.approx(5.0)


def test_the_um_per_px_of_a_screen_is_only_a_note(folder):
    section = read_cohort(f"hest:{folder}", sections=["S1"])["S1"]
    assert any("0.2646 um/px, which is ignored" in note for note in section.notes)


def test_pseudo_spots_are_squares_as_wide_as_they_are_apart(writer):
    source = writer.hest(technology="Xenium")
    source = replace(source, facts=source.facts | {"pixel_size_um_estimated": "2.9"})
    section = read_section(source, Filters())
    assert section.slide.mpp == 2.9  # not the 100 um of Visium over 20 px
    assert section.spots.pitch_um == section.spots.diameter_um == pytest.approx(58)
    assert any("58 um apart" in note and "do not mix" in note for note in section.notes)


def test_a_pooled_sample_without_an_estimate_has_no_pitch_to_ask(writer):
    with pytest.raises(DataContractError, match="um/px is unknown"):
        read_section(writer.hest(technology="Visium HD"), Filters())


def test_older_arrays_are_measured_over_the_whole_array(writer):
    source = writer.hest(technology="Spatial Transcriptomics")
    nudged = writer.truth.xy.copy()
    nudged[::2, 0] += 3  # the nearest neighbour is now 17 px away, the grid still 20
    edit(source, xy=nudged)
    assert read_section(source, Filters()).slide.mpp == pytest.approx(10, rel=0.02)


def test_control_probes_are_no_genes(writer):
    source = writer.hest()
    edit(source, var_names=["ALPHA", "NegControlProbe_00042", "antisense_PROKR2"])
    section = read_section(source, Filters())
    assert section.measured.gene_names == ("ALPHA",)
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts[:, :1])
    assert any("2 features that are no genes" in note for note in section.notes)


def test_spots_outside_the_image_are_left_out_and_counted(writer):
    source = writer.hest()
    xy = writer.truth.xy.copy()
    xy[0] = -139, 15
    edit(source, xy=xy)
    section = read_section(source, Filters())
    np.testing.assert_array_equal(section.measured.matrix.toarray(), writer.truth.counts[1:])
    assert section.dropped == {"outside the image": 1}
    assert any("1 spots outside the image" in note for note in section.notes)


def test_a_mirrored_array_is_a_note(writer):
    """The authors laid the spots on each image, and rows of old arrays may be columns there."""
    source = writer.hest()
    edit(source, xy=(96, 0) + writer.truth.xy * (-1, 1))
    assert any("mirrored" in note for note in read_section(source, Filters()).notes)


def test_a_flag_nobody_filled_drops_no_spot(writer):
    source = writer.hest()
    edit(source, obs={"in_tissue": 0})
    section = read_section(source, Filters())
    assert len(section.spots) == 12
    assert any("was not filled" in note for note in section.notes)
    edit(source, obs={"in_tissue": [0, 0] + 10 * [1]})
    assert read_section(source, Filters()).dropped == {"in_tissue": 2}


def test_an_unknown_technology_is_named_with_those_there_are(writer):
    with pytest.raises(DataContractError, match="one of Visium, Visium HD, Xenium"):
        read_section(writer.hest(technology="Slide-seq"), Filters())


def test_a_sample_may_stand_in_a_manifest(folder):
    (folder / "cohort.csv").write_text(
        "section,patient,kind,path,image,st_technology\n"
        "S2,P2,hest,st/S2.h5ad,wsis/S2.tif,Visium\n"
        "S3,P3,hest,st/S3.h5ad,wsis/S3.tif,Visium\n"
    )
    cohort = read_cohort(folder / "cohort.csv", where={"section": "S3"})
    assert cohort.patients == {"S3": "P3"}
    assert cohort["S3"].slide.mpp == pytest.approx(5.0)


@pytest.mark.parametrize("id_", ["../../elsewhere", "a/b", ".hidden", "a\nb"])
def test_an_id_that_leads_out_of_the_folder_is_refused(id_, folder):
    write_table(folder, [ROW | {"id": id_}], name="HEST_v2_0_0.csv")
    assert "names of files" in refused(folder)


def test_a_patient_is_a_name_that_results_can_be_filed_under(folder):
    correct(folder, "S2,../P/2")
    assert [s.patient for s in read_sources(f"hest:{folder}", ["S2"])] == ["-.-P-2"]


def test_the_command_in_a_message_names_every_missing_file(folder):
    """Names after `--include "a"` would be all that `hf download` fetches: `a` would be missing."""
    correct(folder, "S2,P2")
    for path in ("wsis/S1.tif", "st/S3.h5ad"):
        (folder / path).unlink()
    message = refused(folder)
    assert f"--local-dir {folder} wsis/S1.tif st/S3.h5ad" in message
    assert "--include" not in message
