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
from histoscribe.ties import nearest_first

N_CANDIDATES = 32
"""Nearest by feature that are looked at, where the pool has as many."""

TileReader = Callable[[Int[np.ndarray, " b"]], UInt8[Tensor, "b 3 P P"]]
"""Reads the tiles of rows, in their order."""


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
            for row in rows:
                if row not in self._held:
                    self._held[row] = _embedded(self.perceptual, self.read, row)
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
    Rows and perceptual distances, nearest first; those that rounding can swap in the order of
    rows.
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
            own = _embedded(pool.perceptual, read, query)
            seen = pool.seen(of_query.tolist())
            apart = np.array([float((own - other).square().sum()) for other in seen])
            length = np.array([float(other.norm()) for other in seen])
        lengths = float(own.norm()) + length
        nearest = nearest_first(np.sqrt(apart)[None], lengths[None], len(own))[0][0, :n]
        kept[query], distance[query] = of_query[nearest], apart[nearest]
    return Retrieved(kept, distance)


def _embedded(perceptual: Perceptual, read: TileReader, row: int) -> Float[Tensor, " D"]:
    """What the net sees in one tile: in a pass of its own, its bits hang on no other tile."""
    return perceptual.embed(read(np.array([row])).to(perceptual.mean.device))[0]
