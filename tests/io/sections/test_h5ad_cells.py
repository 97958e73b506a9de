"""An AnnData file of cells is read as cells, and never as Visium."""

from dataclasses import replace

import anndata as ad
import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.sections.qc import Filters
from histoscribe.io.sections.readers import read_section


@pytest.fixture
def cells(writer):
    """The section of the writer with its spots moved to random places."""
    source = writer.h5ad()
    data = ad.read_h5ad(source.path)
    data.obsm["spatial"] = np.random.default_rng(0).uniform(5, 70, (data.n_obs, 2))
    data.uns["spatial"] = {"vizgen": {"scalefactors": {"spot_diameter_fullres": 10.0}}}
    data.write_h5ad(source.path)
    return source


def test_cells_have_no_pitch_and_a_typical_diameter(cells):
    spots = read_section(cells, Filters()).spots
    assert (spots.shape, spots.pitch_um) == ("cells", None)
    assert 0 < spots.diameter_um < 20 * cells.mpp


def test_no_um_per_px_is_taken_from_cells_as_if_they_were_visium(cells):
    with pytest.raises(DataContractError, match="um/px is unknown"):
        read_section(replace(cells, mpp=None), Filters())


def test_cells_that_lie_in_one_place_are_refused(cells):
    data = ad.read_h5ad(cells.path)
    data.obsm["spatial"] = np.full((data.n_obs, 2), 20.0)
    data.write_h5ad(cells.path)
    with pytest.raises(DataContractError, match="in the very place of another"):
        read_section(cells, Filters())
