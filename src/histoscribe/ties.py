"""Orders and choices that rounding cannot change.

Two processors, two numbers of threads or two sizes of a batch give the same number but for its
last bits. Where an order hangs on those bits, results differ from machine to machine. So numbers
that rounding may swap count as equal, and equal ones keep the order in which they were given.

"Equal within rounding" is not transitive: a may equal b and b equal c, while a and c differ. Here
sorted numbers are chained: each is compared with the one before it, and a chain is one tie.
Cutting the numbers into steps instead would part two equal numbers that lie beside an edge.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

UNIT = 2.0**-24
"""Largest relative error of one float32 operation."""

_SAME = 64
"""Distances of at most so many units of the vectors' lengths are those of equal tiles: what nets
see in one tile on two processors differs by up to 3.5e-6 of its length (VGG-16 on 64 px)."""

_UNITS = 8
"""Units by which a number of a net is off from one processor to another, about."""

SCORE_ROUNDING = 1e-6
"""Correlations that differ by no more are equal: predictions in float32 move them by some 1e-7."""


def farthest_tie(
    distance: Float[np.ndarray, " b"], query_length: Float[np.ndarray, " b"]
) -> Float[np.ndarray, " b"]:
    """How far a vector may be at most and still tie with one at `distance` from the query."""
    # a vector at distance d is at most as long as d + query_length
    equal = 2 * _SAME * UNIT * (1 + 2 * _SAME * UNIT) * query_length
    least = np.maximum(distance, equal)
    return least + 5 * UNIT * (query_length + least)


def nearest_first(
    distance: Float[np.ndarray, "b m"], lengths: Float[np.ndarray, "b m"], width: int
) -> tuple[Int[np.ndarray, "b m"], Int[np.ndarray, "b m"]]:
    """Columns of each row from the least distance up, ties in the order of columns.

    A distance is known within a slack on both sides; neighbours in the order whose ranges meet
    are one tie.

    Parameters
    ----------
    lengths
        Length of the query and of the other vector, added: in the norm of the distance, before
        anything was subtracted from both. Numbers that are off by one unit move a distance by at
        most one unit of it.
    width
        Numbers of a vector. Where they are many, their errors go in random directions, of which
        a distance takes up one part in the root of `width`.

    Returns
    -------
    The columns, and the number of the tie that each is in, which grows along a row.

    >>> nearest_first(np.array([[2.0, 1.0 + 1e-9, 1.0]]), np.full((1, 3), 2.0), width=4)[0]
    array([[1, 2, 0]])
    """
    slack = UNIT * min(1.0, _UNITS / width**0.5) * lengths
    known = np.where(distance <= _SAME * UNIT * lengths, 0.0, distance)
    order = np.argsort(known, axis=1, kind="stable")
    near, far = (np.take_along_axis(values, order, axis=1) for values in (known, slack))
    apart = near[:, 1:] - near[:, :-1] > far[:, 1:] + far[:, :-1]
    tie = np.zeros(order.shape, dtype=np.int64)
    np.cumsum(apart, axis=1, out=tie[:, 1:])
    by_column = np.argsort(tie * order.shape[1] + order, axis=1)
    return np.take_along_axis(order, by_column, axis=1), tie


def best_first(
    score: Float[np.ndarray, " n"], rounding: float = SCORE_ROUNDING
) -> Int[np.ndarray, " n"]:
    """Places from the highest score down, ties in the order given; NaN last.

    >>> best_first(np.array([0.1, 0.5, 0.5 + 1e-9, np.nan]))
    array([1, 2, 0, 3])
    """
    down = np.where(np.isnan(score), np.inf, -score)
    order = np.argsort(down, kind="stable")
    down = down[order]
    tie = np.concatenate([[0], np.cumsum(down[1:] > down[:-1] + rounding)])
    return order[np.lexsort((order, tie))]


def first_best(
    score: Sequence[float] | Float[np.ndarray, " n"], rounding: float = SCORE_ROUNDING
) -> int:
    """Place of the first score that ties with the highest one; NaN wins only among its like.

    >>> first_best([0.5, 0.5 + 1e-9, 0.1])
    0
    """
    return int(best_first(np.asarray(score, dtype=np.float64), rounding)[0])
