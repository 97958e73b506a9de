"""Re-ranks exemplars by how alike their tiles look: the LPIPS rows of EGN's Table 2.

A perceptual distance takes a net's pass a tile and megabytes to hold, so it cannot be had of all
pairs: the nearest by feature are found first, and put in the order of what the tiles look like.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.exemplars import Retrieved
from histoscribe.models.perceptual import Perceptual
from histoscribe.progress import track

N_CANDIDATES = 32
"""Nearest by feature that are looked at, where the pool has as many."""

TileReader = Callable[[Int[np.ndarray, " b"]], UInt8[Tensor, "b 3 P P"]]
"""Reads the tiles of rows, in their order."""

_AT_ONCE = 16  # tiles through the net in one pass


def rerank_by_look(
    candidates: Retrieved,
    n: int,
    perceptual: Perceptual,
    tiles: tuple[TileReader, TileReader],
    *,
    most_bytes: int = 1 << 31,
) -> Retrieved:
    """Keep the `n` candidates of each query whose tiles look most like its own.

    Parameters
    ----------
    candidates
        The nearest by feature, `N_CANDIDATES` of them say; none is added, so an exclusion that
        they obey is obeyed.
    tiles
        How the tiles of queries and those of rows of the pool are read, all of one side.
    most_bytes
        What is held of tiles that were looked at, and may be asked for again.

    Returns
    -------
    Rows and perceptual distances, nearest first; equal ones in the order of rows.
    """
    rows, n_queries = candidates.rows, len(candidates.rows)
    if not 1 <= n <= rows.shape[1]:
        raise ValueError(f"{n} of {rows.shape[1]} candidates asked for")
    kept = np.empty((n_queries, n), dtype=np.int64)
    distance = np.empty((n_queries, n), dtype=np.float32)
    pool = _Looks(perceptual, tiles[1], most_bytes)
    # neighbours in the tissue share candidates: one after the other, few are looked at twice
    alike = np.lexsort(rows.T[::-1])
    for query in track(alike.tolist(), "exemplars by their look"):
        of_query = np.sort(rows[query])
        with torch.inference_mode():
            own = _embedded(perceptual, tiles[0](np.array([query])))[0]
            apart = np.array([_apart(own, seen) for seen in pool.of(of_query.tolist())])
        nearest = np.argsort(apart, kind="stable")[:n]
        kept[query], distance[query] = of_query[nearest], apart[nearest]
    return Retrieved(kept, distance)


@dataclass(eq=False)
class _Looks:
    """What the net sees in tiles of the pool; those asked for longest ago go first."""

    perceptual: Perceptual
    read: TileReader
    most_bytes: int
    held: OrderedDict[int, Float[Tensor, " D"]] = field(default_factory=OrderedDict)

    def of(self, rows: Sequence[int]) -> list[Float[Tensor, " D"]]:
        """What the net sees in the tiles of these rows."""
        missing = [row for row in rows if row not in self.held]
        for start in range(0, len(missing), _AT_ONCE):
            some = missing[start : start + _AT_ONCE]
            seen = _embedded(self.perceptual, self.read(np.array(some)))
            # each on its own: a view would hold the whole batch
            self.held.update(zip(some, map(torch.clone, seen), strict=True))
        for row in rows:
            self.held.move_to_end(row)
        found = [self.held[row] for row in rows]
        while len(self.held) > max(1, self.most_bytes // found[0].nbytes):
            self.held.popitem(last=False)
        return found


def _embedded(perceptual: Perceptual, tiles: UInt8[Tensor, "b 3 P P"]) -> Float[Tensor, "b D"]:
    return perceptual.embed(tiles.to(perceptual.mean.device))


def _apart(one: Float[Tensor, " D"], other: Float[Tensor, " D"]) -> float:
    return float((one - other).square().sum())
