"""Planted shifts are found, on square and hexagonal arrays, and noise is not called one."""

import numpy as np
import pandas as pd
import pytest

from histoscribe.benchmark.alignment import COLUMNS, DIRECTIONS, misaligned, shifted_scores
from histoscribe.seed import stream

PITCH = 40.0


def square() -> np.ndarray:
    return np.array([(x, y) for y in range(16) for x in range(16)], dtype=float) * PITCH


def hexagonal() -> np.ndarray:
    rows = [(x + 0.5 * (y % 2), y * np.sqrt(0.75)) for y in range(18) for x in range(16)]
    return np.array(rows) * PITCH


def expression(xy: np.ndarray, n_genes: int = 40) -> np.ndarray:
    """Smooth genes that vary over about three spots."""
    draw = stream(0, "genes")
    waves = draw.normal(size=(n_genes, 2)) / (1.5 * PITCH)
    return np.sin(xy @ waves.T + draw.uniform(0, 6, n_genes))


def table(xy, measured, predicted) -> pd.DataFrame:
    rows = [("P1", "S1", *row) for row in shifted_scores(xy, PITCH, measured, predicted)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.mark.parametrize("direction", DIRECTIONS)
def test_a_planted_shift_is_found_in_its_direction(direction):
    xy = square()
    moved = xy + np.array(DIRECTIONS[direction]) * PITCH
    # what is measured at a spot was predicted one spot further in that direction
    (found,) = misaligned(table(xy, expression(moved), expression(xy)))
    assert found.direction == direction
    assert found.pcc == pytest.approx(1.0)
    assert found.pcc_in_place < 0.9


@pytest.mark.parametrize("array", [square, hexagonal])
def test_spots_in_place_are_not_called_shifted(array):
    xy = array()
    noise = stream(0, "noise").normal(size=(len(xy), 40))
    assert misaligned(table(xy, expression(xy) + noise, expression(xy))) == []


def test_a_prediction_of_nothing_is_not_called_shifted():
    xy, draw = square(), stream(0, "nothing")
    measured, predicted = draw.normal(size=(2, len(xy), 200))
    assert misaligned(table(xy, measured, predicted)) == []


def test_a_hexagonal_array_has_a_neighbour_in_every_direction():
    xy = hexagonal()
    for _, n_spots, *_ in shifted_scores(xy, PITCH, expression(xy), expression(xy)):
        assert n_spots > 0.8 * len(xy)


def test_a_section_of_two_folds_is_judged_in_each():
    xy, moved = square(), square() + np.array(DIRECTIONS["left"]) * PITCH
    shifted = table(xy, expression(moved), expression(xy))
    in_place = table(xy, expression(xy), expression(xy)).assign(fold="P2")
    (found,) = misaligned(pd.concat([in_place, shifted], ignore_index=True))
    assert (found.fold, found.direction) == ("P1", "left")


def test_too_few_spots_are_undefined_and_claim_nothing():
    xy = square()[:8]
    found = table(xy, expression(xy), expression(xy))
    assert found["pcc"].isna().all()
    assert misaligned(found) == []
