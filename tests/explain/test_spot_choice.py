"""The spots that are drawn follow a rule."""

import numpy as np

from histoscribe.explain.spot_choice import spots_by_rule


def test_measured_spots_are_drawn_from_least_to_most_error():
    measured = np.array([0.0, 0.0, 0.0, 0.0, 0.0])
    predicted = np.array([3.0, 0.5, -9.0, 1.0, 2.0])
    found = spots_by_rule(predicted, measured, np.zeros(5))
    assert [spot.row for spot in found] == [1, 4, 2]
    assert [spot.why for spot in found] == ["least error", "median error", "most error"]


def test_unmeasured_spots_are_drawn_by_the_distance_to_their_exemplars():
    distance = np.array([5.0, 1.0, 9.0])
    found = spots_by_rule(np.zeros(3), np.full(3, np.nan), distance)
    assert [spot.row for spot in found] == [1, 0, 2]


def test_a_section_of_one_spot_draws_it_once():
    assert len(spots_by_rule(np.zeros(1), np.zeros(1), np.zeros(1))) == 1
