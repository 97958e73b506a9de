"""Um/px: which origin is believed, and when the run stops."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.slides.resolution import Resolutions, lattice_steps, nearest_px, on_lattice


def test_the_user_is_believed_before_metadata_before_pitch():
    assert Resolutions(0.50, 0.51, 0.52).settle("s", None)[0] == 0.50
    assert Resolutions(None, 0.51, 0.52).settle("s", None)[0] == 0.51
    assert Resolutions(None, None, 0.52).settle("s", None)[0] == 0.52


def test_five_percent_apart_stops_with_both_values_and_the_way_out():
    assert Resolutions(1.0, None, 1.05).settle("s", None)[0] == 1.0
    with pytest.raises(DataContractError, match=r"0.25 from the image, 0.5 from the spot pitch"):
        Resolutions(None, 0.25, 0.5).settle("section B4", None)
    assert Resolutions(None, 0.25, 0.5).settle("s", "pitch")[0] == 0.5


def test_an_unknown_um_per_px_asks_for_it():
    with pytest.raises(DataContractError, match="column `mpp`"):
        Resolutions(None, None, None).settle("s", None)
    with pytest.raises(DataContractError, match="no um/px from the image"):
        Resolutions(1.0, None, None).settle("s", "metadata")


def test_the_lattice_fit_is_not_shortened_by_nudged_spots():
    rng = np.random.default_rng(0)
    array = np.array([(x, y) for x in range(20) for y in range(20)], dtype=np.float64)
    turned = np.array([[29.0, 5.0], [-5.0, 29.0]])
    xy = array @ turned + rng.normal(0, 1.5, array.shape)
    np.testing.assert_allclose(lattice_steps(array, xy), turned, atol=0.1)
    assert nearest_px(xy) < 28.5 < np.hypot(29, 5)


def square(n=20):
    return np.array([(x, y) for x in range(n) for y in range(n)], dtype=np.float64) * 30


@pytest.mark.parametrize("share", [1.0, 0.8, 0.5])
@pytest.mark.parametrize("jitter_px", [0.0, 1.0])
def test_printed_spots_are_on_a_lattice_with_gaps_and_nudged(share, jitter_px):
    rng = np.random.default_rng(0)
    xy = square() + rng.normal(0, jitter_px, (400, 2))
    assert on_lattice(xy[rng.random(400) < share])


@pytest.mark.parametrize("seed", range(3))
def test_cells_are_on_no_lattice_even_where_they_are_packed(seed):
    rng = np.random.default_rng(seed)
    assert not on_lattice(rng.uniform(0, 600, (400, 2)))
    assert not on_lattice(square() + rng.uniform(-10, 10, (400, 2)))
