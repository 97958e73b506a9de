"""Promises of every reader, over the registry: the planted truth comes back."""

import dataclasses
from contextlib import suppress

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import READERS, read_section

GENES = ("ENSG00000000001", "ENSG00000000002", "ENSG00000000003")


@pytest.fixture(params=READERS)
def source(request, writer):
    return writer.write(request.param)


def test_every_spot_keeps_its_counts_and_its_pixels(source, writer):
    section = read_section(source, Filters())
    truth = writer.truth
    np.testing.assert_array_equal(section.measured.matrix.toarray(), truth.counts)
    np.testing.assert_allclose(section.spots.xy, truth.xy)
    for xy, colour in zip(section.spots.xy, truth.colour, strict=True):
        tile = section.slide.read((xy[0], xy[1]), 3, section.slide.mpp)
        assert (tile == colour).all()


def test_gene_ids_lose_their_version(source):
    assert read_section(source, Filters()).measured.gene_ids == GENES


def test_um_per_px_follows_from_the_pitch_and_is_told(source, writer):
    section = read_section(source, Filters())
    expected = section.spots.pitch_um / writer.truth.step_px
    assert section.slide.mpp == pytest.approx(expected, rel=1e-6)
    assert any("um/px" in note for note in section.notes)


def test_a_wrong_um_per_px_of_the_user_stops_with_both_values(source):
    true = read_section(source, Filters()).slide.mpp
    wrong = dataclasses.replace(source, mpp=1.2 * true)
    if source.kind == "h5ad":  # no other origin knows: the user is believed
        assert read_section(wrong, Filters()).slide.mpp == wrong.mpp
        return
    with pytest.raises(DataContractError, match="mpp_from") as caught:
        read_section(wrong, Filters())
    assert f"{true:.4g}" in str(caught.value)
    assert f"{1.2 * true:.4g}" in str(caught.value)
    origin = "alignment" if source.kind == "xenium" else "pitch"
    believed = dataclasses.replace(wrong, mpp_from=origin)
    assert read_section(believed, Filters()).slide.mpp == true


def test_facts_of_the_manifest_are_facts_of_the_section(source):
    facts = {**source.facts, "site": "Uppsala", "subtype": "Luminal A"}
    section = read_section(dataclasses.replace(source, facts=facts), Filters())
    assert section.facts == facts
    assert section.take(np.array([0])).facts == facts


def test_filters_count_what_they_drop(source, writer):
    total = writer.truth.counts.sum(axis=1)
    section = read_section(source, Filters(min_umi=int(total[4])))
    assert len(section.spots) == (total >= total[4]).sum()
    assert section.dropped == {"min_umi": 4}


def test_filters_that_leave_nothing_say_so(source):
    with pytest.raises(DataContractError, match="min_genes 12"):
        read_section(source, Filters(min_genes=4))


def test_an_image_too_small_for_the_spots_is_refused(source, writer):
    writer.replace_image(source, writer.truth.image()[:40])
    with pytest.raises(DataContractError, match="outside the image"):
        read_section(source, Filters())


def test_a_missing_or_truncated_image_is_one_message(source, writer):
    section = read_section(source, Filters())
    path = section.slide.path
    writer.cut_image(path)
    with pytest.raises(DataContractError, match="truncated or broken") as caught:
        read_section(source, Filters()).slide.pixel_hash()
    assert len(caught.value.problems) == 1
    writer.remove_image(path)
    with pytest.raises(DataContractError, match=r"no (such )?image|does not exist|truncated"):
        read_section(source, Filters())


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.6, 0.9, 0.99])
def test_a_file_cut_anywhere_never_raises_anything_but_a_message(source, writer, fraction):
    for _ in writer.cut_each_file(fraction):
        # some files are still whole to their format, e.g. a table that lost its last line
        with suppress(DataContractError):
            read_section(source, Filters()).slide.pixel_hash()
