"""ST arrays and AnnData: the traps of each kind."""

import dataclasses

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


def _edit(source, change):
    table = pd.read_csv(source.spots, sep="\t")
    change(table).to_csv(source.spots, sep="\t", index=False)


def test_spots_without_counts_and_counts_without_spots_are_counted(writer):
    source = writer.st()
    _edit(source, lambda table: table.assign(x=table["x"].where(table.index != 0, 30)))
    section = read_section(source, Filters())
    assert section.dropped == {"no counts": 1}
    assert "1 rows of the count table have no position" in section.notes


def test_positions_of_another_section_are_refused(writer):
    source = writer.st()
    _edit(source, lambda table: table.assign(x=table["x"] + 15))
    with pytest.raises(DataContractError, match="neither names spots"):
        read_section(source, Filters())


def test_spots_not_selected_are_off_the_tissue(writer):
    source = writer.st2k()
    _edit(source, lambda table: table.assign(selected=[0] * 5 + [1] * 7))
    assert read_section(source, Filters()).dropped == {"in_tissue": 5}


@pytest.mark.parametrize(("kind", "other"), [("st", "st2k"), ("st2k", "st")])
def test_a_staggered_array_is_not_taken_for_a_square_one(writer, kind, other):
    source = dataclasses.replace(writer.write(kind), kind=other)
    with pytest.raises(DataContractError, match=f"set kind to {kind}"):
        read_section(source, Filters())


def test_positions_in_a_rescaled_image_go_before_those_of_the_experiment(writer):
    source = writer.st()
    _edit(
        source,
        lambda table: table.assign(
            app_px=table["pixel_x"], app_py=table["pixel_y"], pixel_x=7000, pixel_y=7000
        ),
    )
    np.testing.assert_allclose(read_section(source, Filters()).spots.xy, writer.truth.xy)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.drop(columns="pixel_x"), "no column pixel_x"),
        (lambda table: table.assign(pixel_y="left"), "gaps or words in"),
        (lambda table: table.iloc[:1], "on one line of the array"),
        (lambda table: pd.concat([table, table]), "two spots at one array position"),
    ],
)
def test_a_bad_spot_table_is_one_clear_message(writer, change, message):
    source = writer.st()
    _edit(source, change)
    with pytest.raises(DataContractError, match=message):
        read_section(source, Filters())


def test_metadata_that_contradicts_the_pitch_stops(writer):
    source = writer.st()
    Image.fromarray(writer.truth.image()).save(source.image, dpi=(25_400 / 5, 25_400 / 5))
    with pytest.raises(DataContractError, match="5 from the image, 10 from the spot pitch"):
        read_section(source, Filters())
    believed = dataclasses.replace(source, mpp_from="metadata")
    assert read_section(believed, Filters()).slide.mpp == pytest.approx(5, rel=1e-3)


def _h5ad(source, change):
    data = ad.read_h5ad(source.path)
    change(data)
    data.write_h5ad(source.path)


def test_anndata_of_normalised_values_only_is_refused(writer):
    source = writer.h5ad()
    _h5ad(source, lambda data: data.layers.pop("counts"))
    with pytest.raises(DataContractError, match="normalised values"):
        read_section(source, Filters())


def test_a_count_that_would_wrap_around_is_refused(writer):
    source = writer.h5ad()
    _h5ad(source, lambda data: data.layers.update(counts=data.layers["counts"] * 2.0**31))
    with pytest.raises(DataContractError, match="too large"):
        read_section(source, Filters())


def test_a_stored_zero_is_no_gene_seen(writer):
    """Two genes seen at the first spot, all others stored as zeros."""

    def change(data):
        counts = np.array(data.layers["counts"].todense()) + 1.0
        full = sp.csr_matrix(counts)
        full.data[2 : full.shape[1]] = 0
        data.layers["counts"] = full

    source = writer.h5ad()
    _h5ad(source, change)
    section = read_section(source, Filters(min_genes=3))
    assert section.dropped == {"min_genes": 1}
    assert section.measured.matrix.data.min() > 0


@pytest.mark.parametrize(
    "written", [[True, False], ["TRUE", "FALSE"], [1.0, 0.0], ["1", "0"], [1, 0]]
)
def test_in_tissue_is_read_as_r_and_pandas_write_it(written, writer):
    source = writer.h5ad()
    _h5ad(source, lambda data: set_column(data, [written[0]] + [written[1]] * (data.n_obs - 1)))
    assert len(read_section(source, Filters()).spots) == 1


def test_in_tissue_with_a_gap_is_one_message(writer):
    source = writer.h5ad()
    _h5ad(source, lambda data: set_column(data, [np.nan] + [1.0] * (data.n_obs - 1)))
    with pytest.raises(DataContractError, match=r"in_tissue is .nan."):
        read_section(source, Filters())


def set_column(data, values):
    data.obs["in_tissue"] = values


def test_anndata_without_centres_is_refused(writer):
    source = writer.h5ad()
    _h5ad(source, lambda data: data.obsm.pop("spatial"))
    with pytest.raises(DataContractError, match="obsm"):
        read_section(source, Filters())


def test_anndata_of_an_unknown_grid_needs_um_per_px(writer):
    source = dataclasses.replace(writer.h5ad(), mpp=None)
    with pytest.raises(DataContractError, match="um/px is unknown"):
        read_section(source, Filters())


def test_a_broken_h5ad_is_one_message(writer):
    source = writer.h5ad()
    source.path.write_bytes(source.path.read_bytes()[:500])
    with pytest.raises(DataContractError, match="truncated or damaged"):
        read_section(source, Filters())
