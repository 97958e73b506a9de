"""Orders and choices that rounding cannot change.

Other processors, numbers of threads or batch sizes change the last bits of a number. If an order
depends on these bits, results differ from machine to machine. So numbers that rounding may swap
count as equal, and equal numbers keep their given order.

"Equal within rounding" is not transitive: a may equal b and b equal c, while a and c differ. Here
sorted numbers are chained: each is compared with the one before it, and a chain is one tie.
Cutting the numbers into steps instead would part two equal numbers at an edge.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

UNIT = 2.0**-24
"""Largest relative error of one float32 operation."""

_SAME = 64
"""Distances up to this number of units of the vectors' lengths count as those of equal tiles:
embeddings of one tile on two processors differ by up to 3.5e-6 of their length (VGG-16 on 64
px).
"""

_UNITS = 8
"""Approximate difference of a net's numbers between processors, in units."""

SCORE_ROUNDING = 1e-6
"""Correlations with smaller differences count as equal: predictions in float32 change them by about
1e-7.
"""


def farthest_tie(
    distance: Float[np.ndarray, " b"], query_length: Float[np.ndarray, " b"]
) -> Float[np.ndarray, " b"]:
    """Largest distance of a vector that ties with one at `distance` from the query."""
    # a vector at distance d is at most as long as d + query_length
    equal = 2 * _SAME * UNIT * (1 + 2 * _SAME * UNIT) * query_length
    least = np.maximum(distance, equal)
    return least + 5 * UNIT * (query_length + least)


def nearest_first(
    distance: Float[np.ndarray, "b m"], lengths: Float[np.ndarray, "b m"], width: int
) -> tuple[Int[np.ndarray, "b m"], Int[np.ndarray, "b m"]]:
    """Columns of each row by rising distance, ties in the order of columns.

    A distance has a tolerance on both sides; neighbours in the order with overlapping ranges are
    one tie.

    Parameters
    ----------
    lengths
        Sum of the lengths of query and other vector, in the norm of the distance, before centring.
        Numbers that are off by one unit change a distance by at most one unit of this sum.
    width
        Number of values of a vector. With many values, errors have random directions, and a
        distance gets only one part in the square root of `width`.

    Returns
    -------
    The columns, and the number of each one's tie, which increases along a row.

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
    """Indices by falling score, ties in the given order; NaN last.

    >>> best_first(np.array([0.1, 0.5, 0.5 + 1e-9, np.nan]))
    array([1, 2, 0, 3])
    """
    down = np.where(np.isnan(score), np.inf, -score)
    order = np.argsort(down, kind="stable")
    down = down[order]
    apart = np.zeros(len(down), dtype=np.int64)
    apart[1:] = down[1:] > down[:-1] + rounding
    return order[np.lexsort((order, np.cumsum(apart)))]


def first_best(
    score: Sequence[float] | Float[np.ndarray, " n"], rounding: float = SCORE_ROUNDING
) -> int:
    """Index of the first score that ties with the highest; NaN only if all are NaN.

    >>> first_best([0.5, 0.5 + 1e-9, 0.1])
    0
    """
    return int(best_first(np.asarray(score, dtype=np.float64), rounding)[0])
