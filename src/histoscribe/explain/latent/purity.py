"""Whether spots of a kind lie together: how many nearest neighbours are of the same kind."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, Shaped

from histoscribe.neighbours import nearest_rows
from histoscribe.seed import stream

Kinds = Sequence[str] | Shaped[np.ndarray, " N"]
"""The kind of each point."""
N_NEAREST = 10
"""Neighbours of a spot that are counted."""
N_SHUFFLES = 100
"""Random orders of the kinds that a share is compared with."""


def nearest(points: Float[np.ndarray, "N D"]) -> Int[np.ndarray, "N k"]:
    """The `N_NEAREST` other points nearest to each point by L2, exact; all of them if fewer."""
    k = min(N_NEAREST, len(points) - 1)
    return nearest_rows(points, points, k, query_rows=np.arange(len(points)))


def nearest_within(points: Float[np.ndarray, "N D"], group: Kinds) -> Int[np.ndarray, "N k"]:
    """The `N_NEAREST` nearest points of the same group.

    Raises ValueError for a group of `N_NEAREST` points or fewer.
    """
    names = np.asarray(group)
    neighbours = np.empty((len(points), N_NEAREST), dtype=np.int64)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        if len(rows) <= N_NEAREST:
            raise ValueError(f"group {name} has {len(rows)} points; {N_NEAREST + 1} are needed")
        neighbours[rows] = rows[nearest(points[rows])]
    return neighbours


def nearest_of_others(
    points: Float[np.ndarray, "N D"], group: Int[np.ndarray, " N"]
) -> Int[np.ndarray, "N k"]:
    """The `N_NEAREST` nearest points of all other groups.

    Raises ValueError where other groups have fewer points.
    """
    neighbours = np.empty((len(points), N_NEAREST), dtype=np.int64)
    for code in np.unique(group):
        own, others = np.flatnonzero(group == code), np.flatnonzero(group != code)
        if len(others) < N_NEAREST:
            raise ValueError(f"{len(others)} points of other groups; {N_NEAREST} are needed")
        neighbours[own] = others[nearest_rows(points[others], points[own], N_NEAREST)]
    return neighbours


def same_kind_share(neighbours: Int[np.ndarray, "N k"], kind: Kinds) -> Float[np.ndarray, " N"]:
    """Share of neighbours of the same kind, for each point."""
    _, code = np.unique(np.asarray(kind), return_inverse=True)
    return (code[neighbours] == code[:, None]).mean(axis=1)


def shuffled_share(
    neighbours: Int[np.ndarray, "N k"],
    kind: Kinds,
    within: Kinds,
    seed: int,
) -> Float[np.ndarray, " shuffles"]:
    """The mean share after each of `N_SHUFFLES` shuffles of the kinds within groups.

    Each group keeps its number of points of each kind; which points these are is random.
    """
    _, code = np.unique(np.asarray(kind), return_inverse=True)
    groups = np.asarray(within)
    members = {str(name): np.flatnonzero(groups == name) for name in np.unique(groups)}
    shares = np.empty(N_SHUFFLES)
    for shuffle in range(N_SHUFFLES):
        shuffled = code.copy()
        for name, rows in members.items():
            order = stream(seed, f"explain-kinds-{name}-{shuffle}").permutation(len(rows))
            shuffled[rows] = code[rows[order]]
        shares[shuffle] = (shuffled[neighbours] == shuffled[:, None]).mean()
    return shares
