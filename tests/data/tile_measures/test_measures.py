"""The measures of tiles by name: what they refuse, and what is undefined."""

import numpy as np
import pytest

from histoscribe.data.tile_measures.measures import MEASURES, tile_measures
from histoscribe.errors import DataContractError

NAMES = [measure.name for measure in MEASURES]
PINK = (225, 160, 190)


def plain(*colours):
    """One tile of 64 px per colour."""
    return np.array(colours, dtype=np.uint8)[:, None, None].repeat(64, 1).repeat(64, 2)


def test_a_tile_without_tissue_has_no_measure():
    assert np.isnan(tile_measures(plain((255, 255, 255)), 0.5, NAMES).values).all()


def test_a_tile_without_nuclei_has_a_density_of_zero_and_no_area():
    found = tile_measures(plain(PINK), 0.5, NAMES)
    of = dict(zip(found.names, found.values[0], strict=True))
    assert of["nuclear_density"] == 0
    assert np.isnan([of["nuclear_area"], of["nuclear_eccentricity"]]).all()
    assert np.isnan([of["chromatin_contrast"], of["texture_correlation"]]).all()
    assert of["texture_contrast"] == of["lumen_share"] == of["fat_share"] == 0


def test_unknown_measures_and_coarse_tiles_are_refused_together():
    with pytest.raises(DataContractError) as error:
        tile_measures(plain(PINK), 1.5, ["nuclear_aera", "nuclear_density", "darkness"])
    assert len(error.value.problems) == 2
    for words in ("did you mean nuclear_area", "at most 0.7 um/px", "eosin_density"):
        assert words in str(error.value)


def test_measures_stand_in_the_order_of_the_names():
    few = tile_measures(plain(PINK, (90, 60, 140)), 0.5, ["eosin_density", "darkness"])
    turned = tile_measures(plain(PINK, (90, 60, 140)), 0.5, ["darkness", "eosin_density"])
    np.testing.assert_array_equal(few.values, turned.values[:, ::-1])
