"""Cache of decoded tiles of all open slides; the least recently used are dropped first."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from threading import Lock

import numpy as np
from jaxtyping import UInt8

Tile = UInt8[np.ndarray, "height width 3"]


def stamp(path: Path) -> tuple[int, ...]:
    """Stamp that differs between any two files that were ever at this path.

    The time of change is not enough: copying may keep it.
    """
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size


class TileCache:
    """Tiles by key, up to a number of bytes; safe to use from several threads.

    A tile is decoded outside the lock, so that threads decode in parallel. Two threads that miss
    the same tile both decode it, which costs time and changes nothing.
    """

    def __init__(self, most_bytes: int) -> None:
        self.most_bytes = most_bytes
        self.n_bytes = 0
        self._tiles: OrderedDict[Hashable, Tile] = OrderedDict()
        self._lock = Lock()

    def get(self, key: Hashable, decode: Callable[[], Tile]) -> Tile:
        """Tile of this key from the cache, decoded on a miss."""
        with self._lock:
            if (tile := self._tiles.get(key)) is not None:
                self._tiles.move_to_end(key)
                return tile
        tile = decode()
        tile.flags.writeable = False
        with self._lock:
            self._keep(key, tile)
        return tile

    def __len__(self) -> int:
        return len(self._tiles)

    def _keep(self, key: Hashable, tile: Tile) -> None:
        if key in self._tiles or tile.nbytes > self.most_bytes:
            return
        self._tiles[key] = tile
        self.n_bytes += tile.nbytes
        while self.n_bytes > self.most_bytes:
            _, dropped = self._tiles.popitem(last=False)
            self.n_bytes -= dropped.nbytes
