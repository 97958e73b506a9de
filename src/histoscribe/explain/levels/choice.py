"""Choice of tiles for the contact sheet, and for the numbers.

The tiles of the contact sheet are the extreme ones: those that the model puts at the end of the
scale at which they were measured. Numbers of these tiles would be circular, so numbers are of tiles
that were chosen without a look at the level: at random, or by attention.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.levels.bins import N_BINS
from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.seed import stream

N_ON_SHEET = 5
"""Tiles of a level on the contact sheet."""
N_OF_PATIENT = 5
"""Tiles of a patient of a bag model that the numbers are of: those with most attention."""
_N_TILES = 400  # of a model of spots, over all patients
_FEWEST = 8  # of a patient
_SEED = 0  # of random tiles; nobody needs another one


def sheet_spots(
    spots: LevelSpots, level: Int[np.ndarray, " N"]
) -> tuple[Int[np.ndarray, " _"], ...]:
    """Choose the spots to draw for each level, from as many patients as possible.

    A bag model: with most attention. A model of spots: with the highest prediction in the upper
    levels, the lowest in the lower ones, and in the middle the one farthest from the median.
    """
    middle = N_BINS // 2
    sheets = []
    for one in range(N_BINS):
        rows = np.flatnonzero(level == one)
        score = tile_score(spots)[rows]
        if spots.of_patients is None and one != middle:
            score = spots.predicted[rows] * np.sign(one - middle)
        sheets.append(rows[one_by_one(score, spots.patient[rows])][:N_ON_SHEET])
    return tuple(sheets)


def sample_spots(spots: LevelSpots) -> Int[np.ndarray, " n"]:
    """Spots that the numbers are of, chosen without their level.

    A bag model: the tiles of each patient with most attention. A model of spots: tiles at random,
    as many of each patient.
    """
    n_each = max(_N_TILES // max(len(spots.patients), 1), _FEWEST)
    rows = []
    for place, patient in enumerate(spots.patients):
        members = np.flatnonzero(spots.patient == place)
        if spots.of_patients is not None:
            best = one_by_one(tile_score(spots)[members], spots.patient[members])
            rows.append(members[best[:N_OF_PATIENT]])
            continue
        order = stream(_SEED, f"explain-levels-tiles-{patient}").permutation(len(members))
        rows.append(members[order[:n_each]])
    return np.concatenate(rows)


def tile_score(spots: LevelSpots) -> Float[np.ndarray, " N"]:
    """Attention of each tile; without attention the distance of its prediction from the median."""
    if spots.attention is not None:
        return spots.attention
    return np.abs(spots.predicted - np.median(spots.predicted))


def one_by_one(
    score: Float[np.ndarray, " n"], patient: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Places by falling score, one of each patient, then the second of each, and so on."""
    order = np.argsort(-score, kind="stable")
    turn = np.empty(len(score), dtype=np.int64)
    for one in np.unique(patient):
        members = order[patient[order] == one]
        turn[members] = np.arange(len(members))
    return order[np.argsort(turn[order], kind="stable")]


def spread_over_patients(
    patient: Int[np.ndarray, " n"], n_kept: int, names: Sequence[str]
) -> Int[np.ndarray, " m"]:
    """Places of at most `n_kept` tiles: the first of each patient in a random order, and so on."""
    order = stream(_SEED, "explain-levels-patients").permutation(len(names))
    return np.sort(one_by_one(-order[patient].astype(np.float64), patient)[:n_kept])
