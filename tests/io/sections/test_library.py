"""One section a file: several libraries are told by name, and the manifest chooses one."""

import dataclasses

import anndata as ad
import numpy as np
import pandas as pd
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.library import barcode_tags
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


def library(writer, name: str, seed: int) -> ad.AnnData:
    """A section on the writer's Visium array, with counts and a hires image of its own."""
    writer.staggered()
    truth, rng = writer.truth, np.random.default_rng(seed)
    data = ad.AnnData(rng.poisson(5, truth.counts.shape).astype(np.float32) + 1)
    bases = ["".join("ACGT"[(spot >> 2 * place) & 3] for place in range(12)) for spot in range(12)]
    data.obs_names = [f"{code}-1" for code in bases]
    data.obs["array_row"], data.obs["array_col"] = truth.array[:, 1], truth.array[:, 0]
    data.obsm["spatial"] = truth.xy
    image = rng.integers(0, 255, truth.image().shape, dtype=np.uint8)
    factors = {"tissue_hires_scalef": 1.0, "spot_diameter_fullres": 11.0}
    data.uns["spatial"] = {name: {"images": {"hires": image}, "scalefactors": factors}}
    return data


def merged(writer, **settings) -> ad.AnnData:
    """Two libraries in one AnnData, as scanpy concatenates them."""
    parts = {"A": library(writer, "A", 1), "B": library(writer, "B", 2)}
    data = ad.concat(parts, index_unique="-", **settings)
    data.uns["spatial"] = {name: part.uns["spatial"][name] for name, part in parts.items()}
    return data


@pytest.fixture
def source(writer):
    return dataclasses.replace(writer.h5ad(), image=None, mpp=None)


def read(source, data, library=None):
    data.write_h5ad(source.path)
    facts = {} if library is None else {"library": library}
    return read_section(dataclasses.replace(source, facts=facts), Filters())


def refused(source, data, library=None) -> str:
    with pytest.raises(DataContractError) as caught:
        read(source, data, library)
    return str(caught.value)


@pytest.mark.parametrize("mark", ["library_id", "Sample", "batch", "barcodes"])
def test_each_library_of_a_file_is_read_with_its_image(mark, source, writer):
    data = merged(writer, label=None if mark == "barcodes" else mark)
    assert "A (12 spots), B (12 spots)" in (said := refused(source, data))
    assert "column `library` of the manifest" in said
    for seed, name in enumerate("AB", start=1):
        section, alone = read(source, data, name), library(writer, name, seed)
        np.testing.assert_array_equal(section.measured.matrix.toarray(), alone.X)
        image = alone.uns["spatial"][name]["images"]["hires"]
        np.testing.assert_array_equal(section.slide.overview(section.slide.mpp), image)
        assert any(f"library {name}" in note for note in section.notes)


def test_a_name_that_no_spot_has_is_told_with_those_there_are(source, writer):
    said = refused(source, merged(writer, label="library_id"), "C")
    assert "no spot is marked as of library 'C'" in said
    assert "A (12 spots), B (12 spots)" in said
    assert "the file has A in uns" in refused(source, library(writer, "A", 1), "C")


def test_suffixes_of_an_aggregated_run_are_libraries(source, writer):
    one, two = library(writer, "A", 1), library(writer, "A", 2)
    two.obs_names = [name.replace("-1", "-2") for name in two.obs_names]
    data = ad.concat([one, two])
    data.uns["spatial"] = one.uns["spatial"]
    assert "1 (12 spots), 2 (12 spots) by the barcodes" in refused(source, data)
    section = read(dataclasses.replace(source, image=writer.image()), data, "2")
    np.testing.assert_array_equal(section.measured.matrix.toarray(), two.X)


def test_a_key_of_another_section_is_not_used(source, writer):
    data = merged(writer, label="library_id")
    one = data[data.obs["library_id"] == "B"].copy()
    assert (read(source, one).measured.matrix.toarray() == library(writer, "B", 2).X).all()
    del one.uns["spatial"]["B"]
    one.obs["library_id"] = one.obs["library_id"].astype(str)
    one.uns["spatial"]["C"] = one.uns["spatial"]["A"]
    assert "A, C in uns" in refused(source, one)
    both = merged(writer, label="library_id")
    del both.uns["spatial"]["B"]
    assert "no image in the file" in refused(source, both, "B")


def test_several_keys_without_a_mark_are_told_and_one_is_taken_by_name(source, writer):
    data = library(writer, "A", 1)
    data.uns["spatial"]["B"] = library(writer, "B", 2).uns["spatial"]["B"]
    assert 'A, B in uns["spatial"]' in refused(source, data)
    image = data.uns["spatial"]["B"]["images"]["hires"]
    section = read(source, data, "B")
    np.testing.assert_array_equal(section.slide.overview(section.slide.mpp), image)


def test_spots_of_several_people_are_no_section(source, writer):
    data = library(writer, "A", 1)
    data.obs["donor_id"] = ["P1"] * 6 + ["P2"] * 6
    assert "P1 (6 spots), P2 (6 spots)" in refused(source, data)
    assert len(read(source, data, "P2").spots) == 6


def test_names_that_repeat_between_libraries_are_none_within_one(source, writer):
    data = merged(writer, label="library_id")
    data.obs_names = [name.removesuffix("-A").removesuffix("-B") for name in data.obs_names]
    assert len(read(source, data, "A").spots) == 12


def test_two_spots_at_one_place_of_the_array_are_refused(source, writer):
    data = library(writer, "A", 1)
    data.obs.loc[data.obs_names[1], ["array_row", "array_col"]] = (0, 0)
    assert "1 of 12 spots lie in the very place of another" in refused(source, data)


def test_a_column_of_one_value_or_of_measurements_is_no_mark(source, writer):
    data = library(writer, "A", 1)
    data.obs["library_id"], data.obs["sample"] = pd.Categorical(["x"] * 12, ["x", "y"]), range(12)
    assert len(read(source, data).spots) == 12


def test_keys_of_uns_that_are_no_libraries_do_not_count(source, writer):
    data = library(writer, "A", 1)
    data.uns["spatial"]["is_single"] = True
    assert len(read(source, data).spots) == 12


@pytest.mark.parametrize(
    ("names", "tags"),
    [
        (("ACGTACGTACGT-1", "CCGTACGTACGT-1"), ("", "")),
        (("ACGTACGTACGT-1-0", "CCGTACGTACGT-1-1"), ("0", "1")),
        (("ACGTACGTACGT_1", "CCGTACGTACGT_2"), ("1", "2")),
        (("spot1", "spot2"), ("", "")),
        (("12x13", "12x14"), ("", "")),
    ],
)
def test_tags_are_what_barcodes_have_beside_their_bases(names, tags):
    assert barcode_tags(names) == tags


def test_a_library_without_a_name_is_one_library(writer, source):
    data = library(writer, "A", 1)
    named = read(source, data)
    data.uns["spatial"] = data.uns["spatial"]["A"]
    section = read(source, data)
    np.testing.assert_array_equal(section.spots.xy, named.spots.xy)
    assert section.slide.mpp == named.slide.mpp
    assert section.slide.width == named.slide.width
