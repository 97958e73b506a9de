"""Spots are circles, squares or cells; a lattice has a pitch, cells have none."""

import numpy as np
import pytest

from histoscribe.types import Spots
from tests.sections_by_shape import SHAPES, spots_of

XY = np.array([[5.0, 5.0], [25.0, 5.0]])


@pytest.mark.parametrize(
    ("diameter_um", "pitch_um", "shape"),
    [(8.0, None, "squares"), (10.0, 12.0, "cells"), (0.0, 100.0, "circles"),
     (55.0, float("nan"), "circles"), (float("inf"), None, "cells")],
)  # fmt: skip
def test_sizes_that_do_not_go_with_the_shape_are_refused(diameter_um, pitch_um, shape):
    with pytest.raises(ValueError, match=r"um every|with a pitch"):
        Spots(("a", "b"), XY, diameter_um, pitch_um, shape)


def test_beads_may_be_circles_without_a_lattice():
    assert Spots(("a", "b"), XY, 10.0, None).pitch_um is None


def test_one_step_further_is_other_tissue_whatever_the_shape():
    assert [spots_of(shape).step_um for shape in SHAPES] == [100.0, 100.0, 100.0]
    assert Spots(("a", "b"), XY, 100.0, 200.0).step_um == 200.0


@pytest.mark.parametrize("shape", SHAPES)
def test_some_of_the_spots_keep_their_sizes_and_shape(shape):
    spots = spots_of(shape)
    some = spots.take(np.array([3, 1]))
    assert some.ids == (spots.ids[3], spots.ids[1])
    assert (some.diameter_um, some.pitch_um, some.shape) == (
        spots.diameter_um, spots.pitch_um, shape,
    )  # fmt: skip


def test_an_outline_is_as_wide_as_the_spot():
    for shape, n_corners in (("circles", 16), ("squares", 4), ("cells", 16)):
        corners = spots_of(shape).outline(30.0)
        assert len(corners) == n_corners
        np.testing.assert_allclose(np.ptp(corners, axis=0), 30.0)
    np.testing.assert_allclose(np.linalg.norm(spots_of("cells").outline(30.0), axis=1), 15.0)
