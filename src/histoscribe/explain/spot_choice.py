"""Which spots are drawn: those that the user names, or a few by a fixed rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.seed import stream
from histoscribe.ties import best_first
from histoscribe.types import Section

N_EACH = 2
"""Spots with the highest value, with the lowest, and drawn at random."""
_SEED = 0  # of spots drawn at random; nobody needs another one
_ROUNDING = 1e-6  # of the largest error or distance: what is nearer is a tie, the first spot wins


@dataclass(frozen=True)
class DrawnSpot:
    """A spot to draw."""

    row: int
    why: str
    """Reason for drawing this spot; printed in the figure."""


def named_spots(section: Section, ids: Sequence[str]) -> tuple[DrawnSpot, ...]:
    """The spots with these ids, in this order, each once.

    Raises DataContractError listing every id that the section lacks.
    """
    row_of = {id_: row for row, id_ in enumerate(section.spots.ids)}
    problems = [_unknown(section, id_) for id_ in ids if id_ not in row_of]
    if problems:
        raise DataContractError(problems)
    return tuple(DrawnSpot(row_of[id_], "named by the user") for id_ in dict.fromkeys(ids))


def spots_by_rule(
    predicted: Float[np.ndarray, " N"],
    measured: Float[np.ndarray, " N"],
    distance: Float[np.ndarray, " N"],
) -> tuple[DrawnSpot, ...]:
    """The spots with least, median and most error; by distance where nothing was measured.

    Parameters
    ----------
    measured
        NaN where nothing was measured.
    distance
        Mean distance of each spot to its exemplars.
    """
    error = np.abs(predicted - measured)
    key, words = error, ("least error", "median error", "most error")
    if np.isnan(error).any():
        key, words = distance, ("nearest exemplars", "median distance", "farthest exemplars")
    order = best_first(-key, _ROUNDING * np.abs(key).max())
    places = dict(zip((0, len(order) // 2, len(order) - 1), words, strict=True))
    return tuple(DrawnSpot(int(order[place]), why) for place, why in places.items())


def spots_by_value(predicted: Float[np.ndarray, " N"], section: str) -> tuple[DrawnSpot, ...]:
    """The spots with highest and lowest predicted value, and some of the others at random."""
    order = best_first(predicted, _ROUNDING * float(np.abs(predicted).max()))
    high, rest = order[:N_EACH], order[N_EACH:]
    n_low = min(N_EACH, len(rest))
    low = rest[len(rest) - n_low :]
    extreme = [
        *(DrawnSpot(int(row), "highest predicted") for row in high),
        *(DrawnSpot(int(row), "lowest predicted") for row in low),
    ]
    return (*extreme, *random_spots(len(predicted), N_EACH, section, extreme))


def random_spots(
    n_spots: int, n_drawn: int, section: str, other: Sequence[DrawnSpot] = ()
) -> tuple[DrawnSpot, ...]:
    """At most `n_drawn` spots at random from a section, none of them among the other ones."""
    taken = {spot.row for spot in other}
    order = stream(_SEED, f"explain-spots-{section}").permutation(n_spots)
    rows = [int(row) for row in order if row not in taken]
    return tuple(DrawnSpot(row, "drawn at random") for row in rows[:n_drawn])


def _unknown(section: Section, id_: str) -> Problem:
    near = get_close_matches(id_, section.spots.ids, n=3)
    return Problem(
        where=f"spot {id_}",
        found=f"no such spot in section {section.id}",
        expected=f"one of its {len(section.spots)} spots, e.g. {', '.join(section.spots.ids[:3])}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "correct the id",
    )
