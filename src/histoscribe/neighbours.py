"""Nearest points, in an order that rounding cannot change."""

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import NearestNeighbors

from histoscribe.ties import nearest_first

_SPARE = 7
"""Number of additional candidates, so that most ties end among them."""


def nearest_rows(
    points: Float[np.ndarray, "N D"],
    queries: Float[np.ndarray, "M D"],
    n: int,
    *,
    offset: Float[np.ndarray, " D"] | float = 0.0,
    query_rows: Int[np.ndarray, " M"] | None = None,
) -> Int[np.ndarray, "M n"]:
    """Rows of the `n` nearest points of each query by L2, exact; ties in the order of rows.

    Parameters
    ----------
    offset
        Value already subtracted from points and queries: their rounding is that of the original
        values.
    query_rows
        Row of each query among the points, which is excluded.

    Returns
    -------
    Rows, nearest first. Distances that rounding of float32 can swap are ties, see
    `histoscribe.ties`; the search continues until the whole tie of the last neighbour is found.
    """
    search = NearestNeighbors(algorithm="brute").fit(points)
    length = np.linalg.norm(points + offset, axis=1)
    found = np.empty((len(queries), n), dtype=np.int64)
    open_, n_kept = np.arange(len(queries)), n + _SPARE
    while open_.size:
        n_kept = min(n_kept, len(points))
        distance, rows = search.kneighbors(queries[open_], n_kept)
        if query_rows is not None:
            distance[rows == query_rows[open_, None]] = np.inf
        rows, distance = _by_row(rows, distance)
        query_length = np.linalg.norm(queries[open_] + offset, axis=1, keepdims=True)
        order, tie = nearest_first(distance, query_length + length[rows], points.shape[1])
        # a tie with the farthest candidate may continue among the other points
        settled = tie[:, n - 1] < np.maximum(tie.max(axis=1) - (query_rows is not None), 0)
        settled |= n_kept == len(points)
        found[open_[settled]] = np.take_along_axis(rows, order[:, :n], axis=1)[settled]
        open_, n_kept = open_[~settled], 8 * n_kept
    return found


def _by_row(
    rows: Int[np.ndarray, "M k"], distance: Float[np.ndarray, "M k"]
) -> tuple[Int[np.ndarray, "M k"], Float[np.ndarray, "M k"]]:
    order = np.argsort(rows, axis=1)
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distance, order, axis=1)
