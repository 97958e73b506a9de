"""Slide-seq and Stereo-seq as AnnData: beads and bins with a um/px that the user states."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from PIL import Image

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from histoscribe.io.sections.source import Source

SIDE_PX = 400


def section(folder, xy, mpp, **uns):
    """Places on an image of 400 px, with the number of their row as count of gene A, and 1 of B."""
    counts = np.column_stack([np.arange(1, len(xy) + 1), np.ones(len(xy), dtype=int)])
    data = ad.AnnData(
        X=sp.csr_matrix(counts.astype(np.float32)),
        obs=pd.DataFrame(index=[f"b{n}" for n in range(len(xy))]),
        var=pd.DataFrame(index=["A", "B"]),
        obsm={"spatial": np.asarray(xy)},
        uns=uns,
    )
    data.write_h5ad(folder / "S.h5ad")
    Image.new("RGB", (SIDE_PX, SIDE_PX), (200, 150, 180)).save(folder / "he.png")
    return Source(
        section="S", patient="P", kind="h5ad", path=folder / "S.h5ad", image=folder / "he.png",
        mpp=mpp,
    )  # fmt: skip


@pytest.fixture
def beads(tmp_path):
    """Slide-seq: beads of 10 um at random places, in px of 0.65 um, as the Puck files have them."""
    xy = np.random.default_rng(0).uniform(5, SIDE_PX - 5, (300, 2))
    return section(tmp_path, xy, 0.65)


@pytest.fixture
def bins(tmp_path):
    """Stereo-seq: bin50 on the registered image, of which a px is one DNB, 0.5 um."""
    y, x = np.mgrid[25:SIDE_PX:50, 25:SIDE_PX:50]
    return section(
        tmp_path, np.column_stack([x.ravel(), y.ravel()]), 0.5, bin_size=50, resolution=500
    )


def test_beads_are_places_without_a_lattice_of_the_stated_size(beads):
    spots = read_section(replace(beads, facts={"diameter_um": "10"}), Filters()).spots
    assert (spots.shape, spots.pitch_um) == ("cells", None)
    assert spots.diameter_um == pytest.approx(10.0)


def test_bins_of_the_stated_width_are_squares_side_by_side(bins):
    spots = read_section(replace(bins, facts={"diameter_um": "25"}), Filters()).spots
    assert (spots.shape, spots.pitch_um, spots.diameter_um) == ("squares", 25.0, 25.0)


@pytest.mark.parametrize("name", ["beads", "bins"])
def test_without_a_um_per_px_they_are_refused(name, request):
    with pytest.raises(DataContractError, match="um/px is unknown"):
        read_section(replace(request.getfixturevalue(name), mpp=None), Filters())


@pytest.mark.parametrize(("name", "size"), [("beads", "10"), ("bins", "25")])
@pytest.mark.parametrize("pool_um", [52, 65])
def test_they_are_summed_into_squares_from_the_corner_of_the_image(name, size, pool_um, request):
    source = request.getfixturevalue(name)
    data = ad.read_h5ad(source.path)
    facts = {"diameter_um": size, "pool_um": str(pool_um)}
    pooled = read_section(replace(source, facts=facts), Filters())
    place = np.floor(data.obsm["spatial"] * source.mpp / pool_um).astype(int)
    assert len(pooled.spots) == len(np.unique(place, axis=0))
    dense = data.X.toarray()
    for (row, column), counts in zip(
        pooled.spots.array, pooled.measured.matrix.toarray(), strict=True
    ):
        np.testing.assert_array_equal(
            counts, dense[(place == (column, row)).all(axis=1)].sum(axis=0)
        )
    centre = (pooled.spots.array[:, ::-1] + 0.5) * pool_um / source.mpp
    np.testing.assert_allclose(pooled.spots.xy, centre)
    assert any(note.startswith("pooled") for note in pooled.notes)


def test_places_stay_as_they_are_where_the_manifest_says_none(beads):
    assert len(read_section(replace(beads, facts={"pool": "none"}), Filters()).spots) == 300


def test_squares_smaller_than_the_bins_are_refused(bins):
    facts = {"diameter_um": "25", "pool_um": "20"}
    with pytest.raises(DataContractError, match="pool_um 20 and bins of 25 um"):
        read_section(replace(bins, facts=facts), Filters())


def test_spots_are_not_pooled(writer):
    source = writer.h5ad()
    with pytest.raises(DataContractError, match="empty the columns `pool` and `pool_um`"):
        read_section(replace(source, facts={"pool_um": "500"}), Filters())
