"""Order of reading and held-out blocks ask no pitch: bins and cells have theirs, too."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from histoscribe.data.inner import inner_splits
from histoscribe.data.tiles import grid_order
from histoscribe.types import Cohort, CohortEntry
from tests.sections_by_shape import MPP, SHAPES, section_of


@pytest.mark.parametrize("shape", SHAPES)
def test_near_spots_are_read_together_whatever_their_shape(shape):
    spots = section_of(shape).spots
    order = grid_order(spots, MPP)
    assert sorted(order) == list(range(len(spots)))
    in_order = spots.xy[order]
    band_px = 4 * 100 / MPP
    jumps = np.abs(np.diff(in_order, axis=0))
    assert (jumps[:, 1] <= band_px).mean() > 0.98  # few steps lead to another band
    # a tile of 112 um that was decoded serves its neighbours: the next is seldom far along
    assert np.median(jumps[:, 0]) <= 100 / MPP


@pytest.mark.parametrize("shape", ["circles", "cells"])
def test_blocks_hold_a_rim_out_that_is_wider_than_a_tile(shape):
    section = section_of(shape)
    cohort = Cohort([CohortEntry(section.id, "P", lambda: section)])
    splits, kind = inner_splits(cohort, {section.id: np.arange(len(section.spots))})
    assert (kind, len(splits)) == ("block", 5)
    validated = np.concatenate([split.val[section.id] for split in splits])
    assert sorted(validated) == list(range(len(section.spots)))
    for split in splits:
        fit, val = (section.spots.xy[part[section.id]] for part in (split.fit, split.val))
        assert cdist(fit, val).min() * MPP > 149
