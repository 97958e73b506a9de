"""Re-rank exemplars by the perceptual distance of tiles: the LPIPS rows of EGN's Table 2.

A perceptual distance needs a pass of a net per tile and megabytes of memory, too much for all
pairs. So the nearest by feature are found first, and sorted by the distance of their tiles.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from threading import Lock
from typing import final

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, UInt8
from torch import Tensor

from histoscribe.data.exemplars.pool import Retrieved
from histoscribe.encoders.perceptual import Perceptual
from histoscribe.precision import whole_convolutions
from histoscribe.progress import track
from histoscribe.ties import nearest_first

N_CANDIDATES = 32
"""Number of nearest candidates by feature, if the pool has as many."""

TileReader = Callable[[Int[np.ndarray, " b"]], UInt8[Tensor, "b 3 P P"]]
"""Function that reads the tiles of rows, in their order."""


@final
class Lookalikes:
    """Perceptual distance to the tiles of a pool, with cached embeddings.

    Embeddings are cached up to `most_bytes`; the least recently used are dropped first. Threads may
    share it.
    """

    def __init__(
        self, perceptual: Perceptual, read: TileReader, *, most_bytes: int = 1 << 31
    ) -> None:
        self.perceptual = perceptual
        self.read = read
        """Function that reads tiles of the pool by row."""
        self._most_bytes = most_bytes
        self._held: OrderedDict[int, Float[Tensor, " D"]] = OrderedDict()
        self._lock = Lock()

    def on(self, device: torch.device) -> "Lookalikes":
        """The same distance on a device, with its own cache of embeddings."""
        if self.perceptual.mean.device.type == device.type:  # a process uses one GPU
            return self
        moved = deepcopy(self.perceptual).to(device)
        return Lookalikes(moved, self.read, most_bytes=self._most_bytes)

    def embeddings(self, rows: Sequence[int]) -> list[Float[Tensor, " D"]]:
        """Embeddings of the tiles of these rows."""
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
    """Keep the `n` candidates of each query with the most similar tiles.

    Parameters
    ----------
    candidates
        The nearest by feature, e.g. `N_CANDIDATES` of them; none is added, so exclusions remain
        valid.
    read
        Function that reads the tiles of queries, with the side of the pool's tiles.

    Returns
    -------
    Rows and perceptual distances, nearest first; ties within rounding in the order of rows.
    """
    rows, n_queries = candidates.rows, len(candidates.rows)
    if not 1 <= n <= rows.shape[1]:
        raise ValueError(f"{n} of {rows.shape[1]} candidates requested")
    kept = np.empty((n_queries, n), dtype=np.int64)
    distance = np.empty((n_queries, n), dtype=np.float32)
    # neighbours in the tissue share candidates: in this order few are embedded twice
    alike = np.lexsort(rows.T[::-1])
    for query in track(alike.tolist(), "exemplars by their look"):
        of_query = np.sort(rows[query])
        with torch.inference_mode():
            own = _embedded(pool.perceptual, read, query)
            seen = pool.embeddings(of_query.tolist())
            apart = _numbers((own - other).square().sum() for other in seen)
            length = _numbers(other.norm() for other in seen)
            lengths = _numbers([own.norm()]) + length
        nearest = nearest_first(np.sqrt(apart)[None], lengths[None], len(own))[0][0, :n]
        kept[query], distance[query] = of_query[nearest], apart[nearest]
    return Retrieved(kept, distance)


def _numbers(values: Iterable[Float[Tensor, ""]]) -> Float64[np.ndarray, " n"]:
    """Numbers from a device, in one copy."""
    return torch.stack([*values]).cpu().double().numpy()


def _embedded(perceptual: Perceptual, read: TileReader, row: int) -> Float[Tensor, " D"]:
    """Embedding of one tile, in a separate pass, so that its bits do not depend on other tiles."""
    device = perceptual.mean.device
    with whole_convolutions(device):
        return perceptual.embed(read(np.array([row])).to(device))[0]
