"""Ties: what rounding can swap keeps the order it was given in, and nothing else moves."""

import numpy as np
import pytest

from histoscribe.neighbours import nearest_rows
from histoscribe.ties import SCORE_ROUNDING, UNIT, best_first, first_best, nearest_first


def test_apart_from_ties_the_order_is_that_of_the_distance():
    rng = np.random.default_rng(0)
    distance = rng.uniform(0.1, 1, (20, 50))
    order, tie = nearest_first(distance, np.full((20, 50), 2.0), width=9)
    np.testing.assert_array_equal(order, np.argsort(distance, axis=1))
    assert (np.diff(tie) == 1).all()


def test_a_chain_is_one_tie_and_ends_at_a_gap():
    step = 1.5 * UNIT * 2  # each is within rounding of the next, the first and last are not
    chain = 1 + step * np.arange(6)[::-1]
    distance = np.append(chain, 1.1)[None]
    order, tie = nearest_first(distance, np.full((1, 7), 2.0), width=9)
    np.testing.assert_array_equal(order, [[0, 1, 2, 3, 4, 5, 6]])
    np.testing.assert_array_equal(tie, [[0, 0, 0, 0, 0, 0, 1]])


def test_no_scores_have_no_order():
    assert best_first(np.array([])).tolist() == []


def test_distances_of_equal_tiles_are_zero_whatever_the_processor_makes_of_them():
    distance = np.array([[7e-6, 0.0, 3e-6, 1e-4]])
    order, _ = nearest_first(distance, np.full((1, 4), 2.0), width=100_000)
    np.testing.assert_array_equal(order, [[0, 1, 2, 3]])


@pytest.mark.parametrize("seed", range(5))
def test_scores_off_by_rounding_come_in_one_order(seed):
    rng = np.random.default_rng(seed)
    score = rng.uniform(-1, 1, 6)[np.arange(60) % 6]
    score[[3, 30]] = np.nan
    off = score + rng.uniform(-1, 1, 60) * SCORE_ROUNDING / 2
    np.testing.assert_array_equal(best_first(off), best_first(score))
    assert first_best(off) == first_best(score) == best_first(score)[0]
    assert set(best_first(score)[-2:]) == {3, 30}


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_nearest_rows_survive_rounding_and_are_those_of_brute_force(offset):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(60, 32)) + offset
    points = points[np.r_[0:60, 0:30, [5] * 30]].astype(np.float32)
    far = np.sqrt(((points[:, None].astype(float) - points[None]) ** 2).sum(axis=2))
    far[np.arange(120), np.arange(120)] = np.inf
    exact = np.argsort(far, axis=1, kind="stable")[:, :12]
    for seed in range(3):
        noise = UNIT * np.random.default_rng(seed).uniform(-1, 1, points.shape)
        near = (points * (1 + noise)).astype(np.float32) - offset
        found = nearest_rows(near, near, 12, offset=offset, query_rows=np.arange(120))
        np.testing.assert_array_equal(found, exact)
