"""`init` finds runs of Visium HD by what their files state, each run once."""

import shutil

import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.new_cohort import write_cohort
from histoscribe.io.cohorts.search.cohort_search import search_sections
from tests.io.sections.hd_writer import write_run, write_segmented


@pytest.fixture
def run(tmp_path):
    return write_run(tmp_path / "in" / "S1", (8, 16))


def only(folder):
    finding = search_sections([folder])
    assert finding.passed == ()
    (source,) = finding.sources
    return source


def test_all_sizes_of_bins_and_the_cells_of_a_run_are_one_section(run, tmp_path):
    image = run.image()
    write_segmented(run)
    source = only(tmp_path / "in")
    assert (source.kind, source.section) == ("visium_hd", "S1")
    assert (source.path, source.image) == (run.root / "outs", image)


def test_what_init_writes_is_read(run, tmp_path):
    run.image().rename(tmp_path / "in" / "S1.btf")
    other = write_run(tmp_path / "in" / "S2", (8,))
    other.image().rename(tmp_path / "in" / "S2.btf")
    manifest, _ = write_cohort(search_sections([tmp_path / "in"]).sources, tmp_path)
    lines = manifest.read_text().splitlines()
    patients = [lines[0], *(line.replace(",,", ",P,", 1) for line in lines[1:])]
    manifest.write_text("\n".join(patients) + "\n")
    cohort = read_cohort(manifest)
    assert cohort.ids == ("S1", "S2")
    assert [cohort[id_].slide.path.name for id_ in cohort.ids] == ["S1.btf", "S2.btf"]
    assert all(section.spots.pitch_um == 100.0 for section in cohort)


def test_a_folder_of_bins_is_found_under_any_name(run, tmp_path):
    shutil.move(run.bins(8), tmp_path / "other" / "my section")
    source = only(tmp_path / "other")
    assert (source.kind, source.section) == ("visium_hd", "my section")
    assert source.image is None


def test_bins_side_by_side_are_one_section(run, tmp_path):
    shutil.move(run.bins(8).parent, tmp_path / "download")
    (tmp_path / "download").rename(tmp_path / "P7")
    assert only(tmp_path / "P7").path == tmp_path / "P7"


def test_segmented_cells_without_bins_are_a_section(run, tmp_path):
    folder = write_segmented(run)
    shutil.rmtree(run.bins(8).parent)
    source = only(tmp_path / "in")
    assert (source.section, source.path) == ("S1", folder)


def test_bins_without_an_image_or_counts_are_passed_over(run, tmp_path):
    for size in (8, 16):
        (run.bins(size) / "spatial" / "tissue_hires_image.png").unlink()
    (passed,) = search_sections([tmp_path / "in"]).passed
    assert passed.reason == "a run of Visium HD without an image"
    (run.bins(8) / "filtered_feature_bc_matrix.h5").unlink()
    (passed,) = search_sections([tmp_path / "in"]).passed
    assert passed.reason == "bins of Visium HD: no count matrix"
