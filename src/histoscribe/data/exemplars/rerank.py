"""Re-ranks exemplars by how alike their tiles look: the LPIPS rows of EGN's Table 2.

A perceptual distance takes a net's pass a tile and megabytes to hold, so it cannot be had of all
pairs: the nearest by feature are found first, and put in the order of what the tiles look like.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from threading import Lock
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from histoscribe.data.exemplars.pool import Retrieved
from histoscribe.encoders.perceptual import Perceptual
from histoscribe.progress import track

N_CANDIDATES = 32
"""Nearest by feature that are looked at, where the pool has as many."""

TileReader = Callable[[Int[np.ndarray, " b"]], UInt8[Tensor, "b 3 P P"]]
"""Reads the tiles of rows, in their order."""

_AT_ONCE = 16  # tiles through the net in one pass


@final
class Lookalikes:
    """How tiles are compared: by which net, and what it sees in tiles of the pool.

    What it saw is held for the next that ask, up to `most_bytes`; what was asked for longest ago
    goes first. Threads may share it.
    """

    def __init__(
        self, perceptual: Perceptual, read: TileReader, *, most_bytes: int = 1 << 31
    ) -> None:
        self.perceptual = perceptual
        self.read = read
        """Reads tiles of the pool by its rows."""
        self._most_bytes = most_bytes
        self._held: OrderedDict[int, Float[Tensor, " D"]] = OrderedDict()
        self._lock = Lock()

    def seen(self, rows: Sequence[int]) -> list[Float[Tensor, " D"]]:
        """What the net sees in the tiles of these rows."""
        with self._lock:
            missing = [row for row in rows if row not in self._held]
            for start in range(0, len(missing), _AT_ONCE):
                some = missing[start : start + _AT_ONCE]
                seen = _embedded(self.perceptual, self.read(np.array(some)))
                # each on its own: a view would hold the whole batch
                self._held.update(zip(some, map(torch.clone, seen), strict=True))
            for row in rows:
                self._held.move_to_end(row)
            found = [self._held[row] for row in rows]
            while len(self._held) > max(1, self._most_bytes // found[0].nbytes):
                self._held.popitem(last=False)
            return found


def rerank_by_look(candidates: Retrieved, n: int, pool: Lookalikes, read: TileReader) -> Retrieved:
    """Keep the `n` candidates of each query whose tiles look most like its own.

    Parameters
    ----------
    candidates
        The nearest by feature, `N_CANDIDATES` of them say; none is added, so an exclusion that
        they obey is obeyed.
    read
        Reads the tiles of queries, of the side that those of the pool have.

    Returns
    -------
    Rows and perceptual distances, nearest first; equal ones in the order of rows.
    """
    rows, n_queries = candidates.rows, len(candidates.rows)
    if not 1 <= n <= rows.shape[1]:
        raise ValueError(f"{n} of {rows.shape[1]} candidates asked for")
    kept = np.empty((n_queries, n), dtype=np.int64)
    distance = np.empty((n_queries, n), dtype=np.float32)
    # neighbours in the tissue share candidates: one after the other, few are looked at twice
    alike = np.lexsort(rows.T[::-1])
    for query in track(alike.tolist(), "exemplars by their look"):
        of_query = np.sort(rows[query])
        with torch.inference_mode():
            own = _embedded(pool.perceptual, read(np.array([query])))[0]
            apart = np.array([_apart(own, seen) for seen in pool.seen(of_query.tolist())])
        nearest = np.argsort(apart, kind="stable")[:n]
        kept[query], distance[query] = of_query[nearest], apart[nearest]
    return Retrieved(kept, distance)


def _embedded(perceptual: Perceptual, tiles: UInt8[Tensor, "b 3 P P"]) -> Float[Tensor, "b D"]:
    return perceptual.embed(tiles.to(perceptual.mean.device))


def _apart(one: Float[Tensor, " D"], other: Float[Tensor, " D"]) -> float:
    return float((one - other).square().sum())
