"""Bags of which a network reads fewer tiles, or means of similar tiles."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import final

import numpy as np
from jaxtyping import Float, Int

from histoscribe.data.items.items import Batch, Items
from histoscribe.data.items.runs import padded_runs, present_in
from histoscribe.types import Labels, SpotKeys, TileLimit

Features = Float[np.ndarray, "n D"]


def limited(items: Items, limit: TileLimit) -> Items:
    """The same bags with no more tiles than the limit; the same items without one."""
    if isinstance(items, LimitedBags) or limit == TileLimit():
        return items
    return LimitedBags(items, limit)


@final
@dataclass(frozen=True, eq=False)
class LimitedBags(Items):
    """Bags with features of fewer tiles; labels count all tiles."""

    bags: Items
    limit: TileLimit
    _means: dict[int, Features] = field(default_factory=dict)
    """Super-tiles of each bag that was read: they are fitted once."""

    built = frozenset({"context_feature", "present"})

    @property
    def keys(self) -> SpotKeys:
        """Keys of the table."""
        return self.bags.keys

    def __len__(self) -> int:
        return len(self.bags)

    def n_spots(self, rows: Int[np.ndarray, " B"]) -> Int[np.ndarray, " B"]:
        """Number of tiles, or super-tiles, that are read of each bag."""
        n_tiles = self.bags.n_spots(rows)
        if self.limit.super_tiles is not None:
            n_tiles = np.array([len(self._tiles(int(row))) for row in rows], dtype=np.int64)
        return n_tiles if self.limit.most is None else np.minimum(n_tiles, self.limit.most)

    def at_once(self, names: Sequence[str]) -> int:
        """Number of bags per pass, unchanged."""
        return self.bags.at_once(names)

    def inputs(self, names: Sequence[str], rows: Int[np.ndarray, " B"]) -> Batch:
        """Build features and mask for these bags."""
        if not any(self._exceeds(int(row)) for row in rows):
            return self.bags.inputs(names, rows)
        read = [self._read(int(row)) for row in rows]
        ends = np.cumsum([0, *map(len, read)])
        runs = [np.arange(*of) for of in pairwise(ends)]
        build = {
            "context_feature": lambda: padded_runs(np.concatenate(read), runs),
            "present": lambda: present_in(runs),
        }
        return {name: build[name]() for name in names}

    def labels(self, rows: Int[np.ndarray, " B"]) -> Labels:
        """Labels of the whole bags."""
        return self.bags.labels(rows)

    def spots(self, rows: Int[np.ndarray, " B"]) -> None:
        """None: a bag has one prediction, not one for each tile."""

    def _exceeds(self, row: int) -> bool:
        """Whether a bag has more tiles than the network reads."""
        n_tiles = int(self.bags.n_spots(np.array([row]))[0])
        limits = (self.limit.most, self.limit.super_tiles)
        return any(of is not None and n_tiles > of for of in limits)

    def _read(self, row: int) -> Features:
        """Features of one bag within the limit."""
        feature, most = self._tiles(row), self.limit.most
        return feature if most is None else spaced(feature, most)

    def _tiles(self, row: int) -> Features:
        """Super-tiles of one bag, or its tiles if they are few enough for that limit."""
        if row in self._means:
            return self._means[row]
        given = self.bags.inputs(("context_feature", "context_slide"), np.array([row]))
        feature, slide = given["context_feature"][0].numpy(), given["context_slide"][0].numpy()
        n_means = self.limit.super_tiles
        if n_means is None or len(feature) <= n_means:
            return feature
        parts = [super_tiles(feature[slide == of], n_means) for of in np.unique(slide)]
        self._means[row] = np.concatenate(parts)
        return self._means[row]


def super_tiles(feature: Features, n_means: int) -> Float[np.ndarray, "m D"]:
    """Means of similar tiles of one slide: centres of k-means, or the tiles if there are fewer.

    The start is drawn from a fixed seed, and tiles are sorted by their features before, so the
    order in which they come plays no role.
    """
    from sklearn.cluster import KMeans  # takes a second to import

    different = np.unique(feature, axis=0)
    if len(different) <= n_means:
        return different
    fitted = KMeans(n_means, n_init=1, random_state=0).fit(feature[_sorted(feature)])
    return fitted.cluster_centers_.astype(feature.dtype)


def spaced(feature: Features, most: int) -> Float[np.ndarray, "m D"]:
    """At most this number of tiles, evenly spaced in the order of their features."""
    if len(feature) <= most:
        return feature
    rows = np.linspace(0, len(feature) - 1, most).astype(np.int64)
    return feature[_sorted(feature)[rows]]


def _sorted(feature: Features) -> Int[np.ndarray, " n"]:
    """Order of tiles by their first feature, then by the next ones where it is equal."""
    fields = [("", feature.dtype)] * feature.shape[1]
    return np.ascontiguousarray(feature).view(fields)[:, 0].argsort()
