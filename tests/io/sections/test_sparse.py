"""Sparse counts: three files of one section, and no other way round."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


def refused(source) -> str:
    with pytest.raises(DataContractError) as caught:
        read_section(source, Filters())
    return str(caught.value)


def test_a_turned_matrix_is_told(writer):
    source = writer.sparse()
    sp.save_npz(source.counts, sp.csc_matrix(writer.truth.counts))
    assert "transpose it" in refused(source)


def test_another_number_of_genes_is_told(writer):
    source = writer.sparse()
    source.path.write_text("ONE\nTWO\n")
    assert "2 genes x 12 spots" in refused(source)


def test_normalised_values_are_refused(writer):
    source = writer.sparse()
    sp.save_npz(source.counts, sp.csc_matrix(np.log1p(writer.truth.counts.T)))
    assert "raw counts" in refused(source)


def test_a_pickle_is_never_opened(writer):
    source = writer.sparse()
    np.savez(source.counts, format=np.array({"a": 1}, dtype=object))
    assert "no sparse matrix" in refused(source)


def test_without_a_pitch_the_um_per_px_must_come_from_elsewhere(writer):
    source = replace(writer.sparse(), facts={})
    assert "um/px is unknown" in refused(source)
    spots = read_section(replace(source, mpp=2.0), Filters()).spots
    assert spots.pitch_um == pytest.approx(40)


def test_a_pitch_that_is_no_length_is_told(writer):
    source = replace(writer.sparse(), facts={"pitch_um": "wide"})
    assert "pitch_um 'wide'" in refused(source)


def visium(writer, keep: np.ndarray, *, with_array: bool):
    """The kept spots of a Visium array of 20 rows, 80 px apart."""
    source = writer.sparse()
    row, column = (side.ravel() for side in np.mgrid[:20, :40])
    on_array = (row + column) % 2 == 0
    table = pd.DataFrame({"array_row": row[on_array], "array_col": column[on_array]})[keep]
    table["px"] = 40.0 * table["array_col"] + 20
    table["py"] = 40 * np.sqrt(3) * table["array_row"] + 20
    table.insert(0, "barcode", [f"B{n}" for n in range(len(table))])
    table.drop(columns=[] if with_array else ["array_row", "array_col"]).to_csv(
        source.spots, index=False
    )
    n_genes = writer.truth.counts.shape[1]
    sp.save_npz(source.counts, sp.csc_matrix(np.full((n_genes, len(table)), 3)))
    Image.new("RGB", (1640, 1400), "pink").save(source.image)
    return source


KEPT = {
    "all": np.ones(400, dtype=bool),
    "a tenth": np.random.default_rng(0).random(400) < 0.1,
}


@pytest.mark.parametrize("share", KEPT)
def test_a_section_that_lost_spots_keeps_its_um_per_px(writer, share):
    section = read_section(visium(writer, KEPT[share], with_array=True), Filters())
    assert section.slide.mpp == pytest.approx(100 / 80)


def test_without_rows_and_columns_a_tenth_of_the_spots_has_no_um_per_px(writer):
    source = visium(writer, KEPT["a tenth"], with_array=False)
    assert "the spots lie on no lattice" in refused(source)
    spots = read_section(replace(source, mpp=1.25, facts={}), Filters()).spots
    assert (spots.shape, spots.pitch_um, spots.diameter_um) == ("cells", None, None)


def test_two_spots_at_one_place_are_refused(writer):
    source = writer.sparse()
    table = pd.read_csv(source.spots)
    table.loc[1, ["px", "py"]] = table.loc[0, ["px", "py"]]
    table.to_csv(source.spots, index=False)
    assert "in the very place of another" in refused(source)


def test_one_of_two_libraries_is_read_by_its_name(writer):
    source = writer.sparse()
    table = pd.read_csv(source.spots)
    of_first = np.arange(len(table)) < 7
    table["sample"] = np.where(of_first, "left", "right")
    table.to_csv(source.spots, index=False)
    assert "left (7 spots), right (5 spots)" in refused(source)
    section = read_section(replace(source, facts={**source.facts, "library": "left"}), Filters())
    np.testing.assert_allclose(section.spots.xy, writer.truth.xy[:7])
    np.testing.assert_array_equal(section.counts.matrix.toarray(), writer.truth.counts[:7])


def test_bins_of_visium_hd_are_refused(writer):
    source = writer.sparse()
    table = pd.read_csv(source.spots)
    table["barcode"] = [f"s_008um_00301_{n:05}-1" for n in range(len(table))]
    table.to_csv(source.spots, index=False)
    assert "Visium HD" in refused(source)
