"""Output folders of Xenium are found by content, with their H&E image and its alignment."""

import shutil

import numpy as np
import pytest

from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.cohorts.new_cohort import write_cohort
from histoscribe.io.cohorts.search.cohort_search import search_sections
from tests.io.conftest import Writer


@pytest.fixture
def written(tmp_path):
    (tmp_path / "in" / "S1").mkdir(parents=True)
    writer = Writer(tmp_path / "in" / "S1")
    return writer, writer.xenium()


def test_a_folder_of_any_name_is_found_with_image_and_alignment(written, tmp_path):
    writer, source = written
    source.path.rename(source.path.with_name("whatever"))
    found = search_sections([tmp_path / "in"])
    (section,) = found.sources
    assert (section.kind, section.section) == ("xenium", "whatever")
    assert section.alignment.name == "S_he_imagealignment.csv"
    manifest, _ = write_cohort(found.sources, tmp_path / "out")
    header = manifest.read_text().splitlines()[0].split(",")
    assert "alignment" in header
    manifest.write_text(manifest.read_text().replace("whatever,,", "whatever,P,"))
    (read,) = read_cohort(manifest)
    np.testing.assert_array_equal(read.measured.matrix.toarray(), writer.truth.counts)


def test_morphology_images_are_no_image_of_the_section(written, tmp_path):
    _, source = written
    for name in ("morphology_mip.ome.tif", "morphology.ome.tif"):
        shutil.copy(source.image, source.path / name)
    (section,) = search_sections([tmp_path / "in"]).sources
    assert section.image == source.image


def test_a_folder_without_an_image_is_passed_over_with_its_reason(written, tmp_path):
    _, source = written
    source.image.unlink()
    found = search_sections([tmp_path / "in"])
    assert (found.sources, [passed.path for passed in found.passed]) == ((), [source.path])
    assert "without an H&E image" in found.passed[0].reason


def test_a_section_without_alignment_is_found_all_the_same(written, tmp_path):
    """`check` then says what is missing."""
    writer, _ = written
    (writer.folder / "S_he_imagealignment.csv").unlink()
    (section,) = search_sections([tmp_path / "in"]).sources
    assert section.alignment is None
