"""Bins of Visium HD in AnnData and SpatialData give the squares of their folder."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section
from histoscribe.io.sections.source import Source
from tests.io.sections.hd_writer import (
    GENES,
    HIRES,
    MPP,
    SIDE,
    centres,
    pixels,
    summed,
    to_px,
    write_run,
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("hd") / "run", (8,))
    run.image()
    return run


def bins_of(run):
    """Bins of 8 um as scanpy keeps them: places in px of the full image, hires beside."""
    array, places_um = centres(SIDE // 4, 8)
    obs = pd.DataFrame(
        {
            "in_tissue": (summed(run.in_tissue[..., None], 4).ravel() > 8).astype(int),
            "array_row": array[:, 0],
            "array_col": array[:, 1],
        },
        index=[f"s_008um_{row:05d}_{column:05d}-1" for row, column in array],
    )
    factors = {
        "spot_diameter_fullres": 8 / MPP,
        "bin_size_um": 8.0,
        "microns_per_pixel": MPP,
        "tissue_hires_scalef": HIRES,
    }
    return ad.AnnData(
        X=sp.csr_matrix(summed(run.counts, 4).reshape(len(array), -1).astype(np.float32)),
        obs=obs,
        var=pd.DataFrame({"gene_ids": GENES}, index=["A", "B", "C"]),
        obsm={"spatial": to_px(places_um)},
        uns={"spatial": {"S": {"images": {"hires": pixels(HIRES)}, "scalefactors": factors}}},
    )


def read(data, folder, image=None, **facts):
    path = folder / "bins.h5ad"
    data.write_h5ad(path)
    source = Source(
        section="S", patient="P", kind="h5ad", path=path, image=image, facts=facts,
        mpp_from=facts.pop("mpp_from", None),
    )  # fmt: skip
    return read_section(source, Filters())


def assert_same(section, other):
    assert section.spots.ids == other.spots.ids
    assert (section.measured.matrix != other.measured.matrix).nnz == 0
    np.testing.assert_allclose(section.spots.xy, other.spots.xy, atol=1e-6)
    assert section.slide.mpp == pytest.approx(other.slide.mpp)


@pytest.mark.parametrize("pool_um", ["16", "100"])
def test_anndata_gives_the_squares_of_the_folder(run, tmp_path, pool_um):
    image = run.root / "slide.btf"
    folder = read_section(run.source(image=image, pool_um=pool_um), Filters())
    assert_same(read(bins_of(run), tmp_path, image, pool_um=pool_um), folder)


def test_the_embedded_image_is_used_with_the_bins_at_its_scale(run, tmp_path):
    folder = read_section(run.source(pool_um="32"), Filters())
    section = read(bins_of(run), tmp_path, pool_um="32")
    assert_same(section, folder)
    assert section.slide.mpp == pytest.approx(MPP / HIRES)


def test_bins_under_other_names_are_known_by_rows_columns_and_size(run, tmp_path):
    data = bins_of(run)
    data.obs_names = [f"bin{n}" for n in range(data.n_obs)]
    folder = read_section(run.source(pool_um="16"), Filters())
    assert_same(read(data, tmp_path, pool_um="16"), folder)
    del data.obs["array_row"]
    with pytest.raises(DataContractError, match="bins of 8 um without row and column"):
        read(data, tmp_path)


def test_bins_stay_as_they_are_without_pooling(run, tmp_path):
    section = read(bins_of(run), tmp_path, pool="none")
    assert section.spots.ids[0] == "s_008um_00000_00000-1"
    assert (section.spots.shape, section.spots.pitch_um) == ("squares", 8.0)


def test_um_per_px_that_contradicts_the_bins_is_refused(run, tmp_path):
    data = bins_of(run)
    data.uns["spatial"]["S"]["scalefactors"]["microns_per_pixel"] = 0.3
    with pytest.raises(DataContractError, match=r"microns_per_pixel gives 1.2 um/px"):
        read(data, tmp_path)


def test_a_few_bins_far_from_the_corner_with_rounded_places_keep_their_um_per_px(run, tmp_path):
    data = bins_of(run)
    row, column = data.obs["array_row"], data.obs["array_col"]
    data = data[((row > 27) & (column > 20) & (column < 30)).to_numpy()].copy()
    data.obsm["spatial"] = np.rint(data.obsm["spatial"])
    section = read(data, tmp_path, run.root / "slide.btf", pool="none", mpp_from="pitch")
    assert section.slide.mpp == pytest.approx(MPP, rel=0.01)


def test_segmented_cells_in_anndata_are_no_bins(run, tmp_path):
    data = bins_of(run)[:60].copy()
    data.obs_names = [f"cellid_{n:09d}-1" for n in range(60)]
    data.obs = data.obs[["in_tissue"]]
    data.obsm["spatial"] = np.random.default_rng(0).uniform(100, 600, (60, 2))
    section = read(data, tmp_path)
    assert section.spots.shape == "cells"
    assert section.slide.mpp == pytest.approx(MPP / HIRES)


@pytest.mark.parametrize("form", ["squares", "circles"])
def test_spatialdata_gives_the_squares_of_the_folder(run, tmp_path, form):
    from tests.io.sections import spatialdata_writer as made

    data = made.bins_of(bins_of(run), pixels(), 8 / MPP, form)
    path = made.write(data, tmp_path / "S.zarr")
    facts = {"pool_um": "16"}
    source = Source(section="S", patient="P", kind="spatialdata", path=path, facts=facts)
    folder = read_section(run.source(image=run.root / "slide.btf", pool_um="16"), Filters())
    assert_same(read_section(source, Filters()), folder)
