"""Whether spots of a kind lie together: of the nearest neighbours, how many are of one's kind."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from sklearn.neighbors import NearestNeighbors

from histoscribe.seed import stream

N_NEAREST = 10
N_SHUFFLES = 100


def nearest(points: Float[np.ndarray, "N D"]) -> Int[np.ndarray, "N k"]:
    """The `N_NEAREST` other points nearest to each by L2, exact; fewer where there are fewer."""
    k = min(N_NEAREST, len(points) - 1)
    search = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    return search.kneighbors(return_distance=False)


def nearest_within(
    points: Float[np.ndarray, "N D"], group: Sequence[str]
) -> Int[np.ndarray, "N k"]:
    """The same among the points of one's own group, where every group has enough.

    Raises ValueError for a group of too few.
    """
    names = np.asarray(group)
    found = np.empty((len(points), N_NEAREST), dtype=np.int64)
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        if len(rows) <= N_NEAREST:
            raise ValueError(f"group {name} has {len(rows)} points; {N_NEAREST + 1} are needed")
        found[rows] = rows[nearest(points[rows])]
    return found


def own_share(neighbours: Int[np.ndarray, "N k"], kind: Sequence[str]) -> Float[np.ndarray, " N"]:
    """Of the neighbours of each point, the share that is of its kind."""
    _, code = np.unique(np.asarray(kind), return_inverse=True)
    return (code[neighbours] == code[:, None]).mean(axis=1)


def shuffled_share(
    neighbours: Int[np.ndarray, "N k"],
    kind: Sequence[str],
    within: Sequence[str],
    seed: int,
) -> Float[np.ndarray, " shuffles"]:
    """The mean share in each of `N_SHUFFLES`, kinds shuffled among the points of one group.

    Shuffled within sections, what a section is made of stays: only where in it does not.
    """
    _, code = np.unique(np.asarray(kind), return_inverse=True)
    groups = np.asarray(within)
    members = {str(name): np.flatnonzero(groups == name) for name in np.unique(groups)}
    shares = np.empty(N_SHUFFLES)
    for shuffle in range(N_SHUFFLES):
        drawn = code.copy()
        for name, rows in members.items():
            order = stream(seed, f"explain-kinds-{name}-{shuffle}").permutation(len(rows))
            drawn[rows] = code[rows[order]]
        shares[shuffle] = (drawn[neighbours] == drawn[:, None]).mean()
    return shares
