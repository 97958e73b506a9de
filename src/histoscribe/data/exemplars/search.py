"""Exact search of the nearest exemplars: bounded memory, about the cost of a matrix product.

A float32 product gives every distance with a known maximum error. Each query keeps a few additional
candidates; their distances are computed again in float64 from the differences. If the last
requested exemplar is not nearer than all excluded candidates by more than the error, the query is
searched again with more candidates. So the result is that of float64, for any chunks.

Features are float32, so their last bits depend on the processor. Distances that these bits can swap
are ties, in the order of the pool (`histoscribe.ties`); a query is finished only when the whole tie
of its last exemplar is found.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import local
from typing import final, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from histoscribe.data.exemplars.pool import (
    Distance,
    Exclusion,
    ExemplarPool,
    Retrieved,
    check_queries,
)
from histoscribe.data.items.spots import SpotQueries
from histoscribe.errors import DataContractError, Problem
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.ties import UNIT, farthest_tie, nearest_first
from histoscribe.types import SpotKeys

_SPARE = 7
"""Number of additional candidates; with fewer, near ties make more queries repeat."""

_DEPTH = 16
"""Number of columns represented by their minimum in the first pass over a block's distances."""

_CACHED_BYTES = 1 << 21
"""Bytes of differences at once on a CPU: within its cache this is four times as fast."""

Span = tuple[int, int]


@final
class ExemplarSearch:
    """Search of exemplars in one pool, on one device; threads may share it."""

    def __init__(
        self,
        pool: ExemplarPool,
        distance: Distance = "l2",
        device: str | torch.device = "cpu",
        *,
        block_bytes: int = 1 << 27,
    ) -> None:
        """Prepare the pool; at most `block_bytes` of distances are in memory at once.

        Raises DataContractError if a feature is all zeros and the distance is cosine.
        """
        if distance not in get_args(Distance):
            raise ValueError(f"distance {distance!r}; choose from {', '.join(get_args(Distance))}")
        self.pool = pool
        self.distance = distance
        self.device = torch.device(device)
        self.block_bytes = block_bytes
        self._held = local()  # each thread writes distances to separate memory
        # Apple's devices have no float64
        self._exact_device = torch.device("cpu") if self.device.type == "mps" else self.device
        feature = self._prepared(pool.feature, "exemplars")
        self._feature = torch.from_numpy(feature).to(self._exact_device)
        self._length = _lengths(torch.from_numpy(feature), distance)
        if distance == "l1":
            self._columns = self._feature.to(self.device)
            return
        # the error of a product grows with the length of its vectors, and centring shortens them
        self._centre = feature.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = torch.from_numpy(feature - self._centre)
        self._columns = centred.to(self.device)
        self._squared = torch.linalg.vector_norm(centred, dim=1, dtype=torch.float64).square()
        self._squared = self._squared.float().to(self.device)

    def nearest(self, queries: SpotQueries, n: int, exclusion: Exclusion) -> Retrieved:
        """Find the `n` nearest permitted exemplars of each query.

        Raises
        ------
        DataContractError
            for features of another encoder, and for fewer than `n` permitted exemplars of any
            query.
        """
        check_queries(self.pool, queries, n, exclusion)
        feature = torch.from_numpy(self._prepared(queries.feature, "queries"))
        rows = np.empty((len(queries), n), dtype=np.int64)
        distance = np.empty((len(queries), n), dtype=np.float32)
        groups = _by_excluded(self.pool, queries, exclusion).items()
        with torch.inference_mode(), _whole_float32(self.device):
            for span, asking in track(groups, "nearest exemplars"):
                found, apart = self._search(feature[asking], span, n, n + _SPARE)
                rows[asking] = found.numpy()
                distance[asking] = self._as_distance(apart).numpy()
        return Retrieved(rows, distance)

    def random(self, queries: SpotQueries, n: int, exclusion: Exclusion, seed: int) -> Retrieved:
        """Draw `n` random permitted exemplars of each query, as a control.

        A query's draw depends on the seed, its section and spot, and the pool, not on the other
        queries. Raises as `nearest`.
        """
        check_queries(self.pool, queries, n, exclusion)
        feature = torch.from_numpy(self._prepared(queries.feature, "queries"))
        rows = np.empty((len(queries), n), dtype=np.int64)
        distance = np.empty((len(queries), n), dtype=np.float32)
        for span, asking in _by_excluded(self.pool, queries, exclusion).items():
            eligible = len(self.pool) - (span[1] - span[0])
            drawn = np.stack(
                [_draw(queries.keys, query, eligible, n, seed) for query in asking.tolist()]
            )
            with torch.inference_mode():
                found, apart, _ = self._ranked(
                    feature[asking], _past(torch.from_numpy(drawn), span), n
                )
            rows[asking] = found.numpy()
            distance[asking] = self._as_distance(apart).numpy()
        return Retrieved(rows, distance)

    def _search(
        self, queries: Float[Tensor, "B D"], span: Span, n: int, n_kept: int
    ) -> tuple[Int[Tensor, "B E"], Float64[Tensor, "B E"]]:
        """Rows and exact distances (L2: squared) of queries that exclude `span`, on the CPU."""
        eligible = len(self._columns) - (span[1] - span[0])
        n_kept = min(n_kept, eligible)
        found, apart, sure = [], [], []
        for block, (columns, least) in self._candidates(queries, span, n_kept):
            rows, exact, reach = self._ranked(block, _past(columns.cpu(), span), n)
            bound = self._bound(block, reach, least.cpu().double())
            found.append(rows)
            apart.append(exact)
            sure.append(bound if n_kept < eligible else torch.ones_like(bound))
        rows, exact, settled = torch.cat(found), torch.cat(apart), torch.cat(sure)
        again = (~settled).nonzero()[:, 0]
        if len(again):
            rows[again], exact[again] = self._search(queries[again], span, n, 8 * n_kept)
        return rows, exact

    def _candidates(
        self, queries: Float[Tensor, "B D"], span: Span, n_kept: int
    ) -> Iterator[tuple[Float[Tensor, "b D"], tuple[Int[Tensor, "b kept"], Float[Tensor, " b"]]]]:
        """Blocks of queries with their smallest distances by the float32 product, unsorted.

        The second value is the largest kept distance: no other candidate is nearer.
        """
        sides = slice(0, span[0]), slice(span[1], len(self._columns))
        eligible = sum(side.stop - side.start for side in sides)
        deep = _DEPTH if eligible > 4 * _DEPTH * n_kept else 1
        width = -(-eligible // deep)
        most = max(1, self.block_bytes // (4 * deep * width))
        n_block = -(
            -len(queries) // -(-len(queries) // most)
        )  # equal blocks, without a small last one
        distances = self._scratch(n_block, deep * width)
        distances[:, eligible:] = (
            torch.inf
        )  # padding of the last row of the view is never the minimum
        for block in queries.split(n_block):
            asked = self._centred(block).to(self.device)
            self._write(asked, sides[0], distances[: len(block), : span[0]])
            self._write(asked, sides[1], distances[: len(block), span[0] : eligible])
            yield block, _least(distances[: len(block)].view(len(block), deep, width), n_kept)

    def _scratch(self, n_queries: int, n_columns: int) -> Float[Tensor, "b m"]:
        """Reused memory for a block of distances: new pages cost a fifth of the product."""
        held: Tensor | None = getattr(self._held, "distances", None)
        if held is None or held.numel() < n_queries * n_columns:
            held = self._held.distances = torch.empty(n_queries * n_columns, device=self.device)
        return held[: n_queries * n_columns].view(n_queries, n_columns)

    def _centred(self, queries: Float[Tensor, "b D"]) -> Float[Tensor, "b D"]:
        """Queries, centred like the columns."""
        return queries if self.distance == "l1" else queries - torch.from_numpy(self._centre)

    def _write(self, asked: Float[Tensor, "b D"], side: slice, out: Float[Tensor, "b m"]) -> None:
        """Write distances in float32; the squared L2 omits |q|^2, without effect on the order."""
        if out.shape[1] == 0:
            return
        if self.distance == "l1":
            out.copy_(torch.cdist(asked, self._columns[side], p=1.0))
        else:
            torch.addmm(self._squared[side], asked, self._columns[side].T, alpha=-2, out=out)

    def _ranked(
        self, queries: Float[Tensor, "b D"], rows: Int[Tensor, "b kept"], n: int
    ) -> tuple[Int[Tensor, "b E"], Float64[Tensor, "b E"], Float64[Tensor, " b"]]:
        """The `n` nearest of these rows by exact distance, ties in the order of rows.

        The third value is the largest distance within the tie of the last exemplar (L2: squared).
        """
        rows = rows.sort(dim=1).values
        exact = self._exact(queries.to(self._exact_device), rows.to(self._exact_device)).cpu()
        own = _lengths(queries, self.distance)
        distance = exact if self.distance == "l1" else exact.sqrt()
        lengths = (own[:, None] + self._length[rows]).numpy()
        order, tie = map(
            torch.from_numpy, nearest_first(distance.numpy(), lengths, queries.shape[1])
        )
        of_last = distance.gather(1, order).masked_fill(tie > tie[:, n - 1 : n], 0.0)
        reach = torch.from_numpy(farthest_tie(of_last.amax(dim=1).numpy(), own.numpy()))
        reach = reach if self.distance == "l1" else reach.square()
        return rows.gather(1, order[:, :n]), exact.gather(1, order[:, :n]), reach

    def _exact(
        self, queries: Float[Tensor, "b D"], rows: Int[Tensor, "b kept"]
    ) -> Float64[Tensor, "b kept"]:
        """Distances (L2: squared) from the differences in float64, a few queries at a time."""
        n_held = _CACHED_BYTES if self._exact_device.type == "cpu" else self.block_bytes
        pairs = max(1, n_held // (8 * queries.shape[1]))
        n_wide = min(rows.shape[1], pairs)
        n_queries = max(1, pairs // n_wide)
        power: Callable[[Tensor], Tensor] = torch.abs if self.distance == "l1" else torch.square
        out = torch.empty(rows.shape, dtype=torch.float64, device=self._exact_device)
        for start in range(0, len(rows), n_queries):
            some = slice(start, start + n_queries)
            query = queries[some].double()[:, None]
            for left in range(0, rows.shape[1], n_wide):
                wide = slice(left, left + n_wide)
                seen = self._feature.index_select(0, rows[some, wide].reshape(-1))
                difference = query - seen.view(len(query), -1, seen.shape[1])
                out[some, wide] = power(difference).sum(dim=-1)
        return out

    def _bound(
        self,
        queries: Float[Tensor, "b D"],
        last: Float64[Tensor, " b"],
        least: Float64[Tensor, " b"],
    ) -> Tensor:
        """Whether no other spot can be as near as `last`.

        A sum of D products of float32 is off by at most D units of the products' size, and a spot
        whose length differs from the query's by more than their distance is farther than it.
        """
        error = (queries.shape[1] + 16) * UNIT
        if self.distance == "l1":
            return last < least * (1 - 2 * error)
        squared = self._centred(queries).double().square().sum(dim=1)
        return last + error * (2 * squared.sqrt() + last.sqrt()).square() < least + squared

    def _as_distance(self, exact: Float64[Tensor, "b E"]) -> Float[Tensor, "b E"]:
        """Distance of the setting, from the sum of the (squared) differences."""
        if self.distance == "l2":
            return exact.sqrt().float()
        # of unit vectors, 1 - cosine is half the squared difference
        return (exact / 2 if self.distance == "cosine" else exact).float()

    def _prepared(self, feature: Float[np.ndarray, "N D"], where: str) -> Float[np.ndarray, "N D"]:
        """Features for the comparison: normalised to unit length for cosine."""
        if self.distance != "cosine":
            return np.ascontiguousarray(feature, dtype=np.float32)
        length = np.linalg.norm(feature.astype(np.float64), axis=1, keepdims=True)
        if (length == 0).any():
            raise DataContractError(
                Problem(
                    where=f"features of {where}",
                    found=f"{int((length == 0).sum())} rows of zeros, which have no direction",
                    expected="a direction, for the cosine distance",
                    remedy='set exemplars.distance = "l2", or check these tiles',
                )
            )
        return (feature / length).astype(np.float32)


def _lengths(feature: Float[Tensor, "M D"], distance: Distance) -> Float64[Tensor, " M"]:
    """Lengths in the norm of the distance."""
    order = 1 if distance == "l1" else 2
    return torch.linalg.vector_norm(feature, order, dim=1, dtype=torch.float64)


def _by_excluded(
    pool: ExemplarPool, queries: SpotQueries, exclusion: Exclusion
) -> dict[Span, Int[np.ndarray, " _"]]:
    """Group queries by their excluded slice of the pool."""
    asking: dict[Span, list[Int[np.ndarray, " _"]]] = {}
    for section, patient, rows in queries.keys.by_section():
        asking.setdefault(pool.excluded(patient, section, exclusion), []).append(rows)
    return {span: np.sort(np.concatenate(parts)) for span, parts in asking.items()}


def _past(columns: Int[Tensor, "b m"], span: Span) -> Int[Tensor, "b m"]:
    """Rows of the pool, from columns without the excluded span."""
    return columns + (columns >= span[0]) * (span[1] - span[0])


def _least(
    distances: Float[Tensor, "b deep width"], n_kept: int
) -> tuple[Int[Tensor, "b kept"], Float[Tensor, " b"]]:
    """Columns of the smallest distances of each query, and the largest kept distance.

    The smallest distances belong to the smallest minima over `deep`: one fast pass leaves a few
    hundred columns to sort.
    """
    width = distances.shape[2]
    minima = distances.amin(dim=1)
    under = minima.topk(n_kept, dim=1, largest=False, sorted=False).indices
    deep = torch.arange(distances.shape[1], device=distances.device)
    few = distances.gather(2, under[:, None].expand(-1, len(deep), -1)).flatten(1)
    columns = (deep[:, None] * width + under[:, None]).flatten(1)
    kept, place = few.topk(n_kept, dim=1, largest=False, sorted=False)
    return columns.gather(1, place), kept.amax(dim=1)


def _draw(keys: SpotKeys, query: int, eligible: int, n: int, seed: int) -> Int[np.ndarray, " E"]:
    use = f"random exemplars of {keys.sections[keys.section[query]]} {keys.spot[query]}"
    return stream(seed, use).choice(eligible, size=n, replace=False)


@contextmanager
def _whole_float32(device: torch.device) -> Iterator[None]:
    """Compute products in full float32: the error bound does not hold for TF32 or bfloat16."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    try:
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        torch.set_float32_matmul_precision(before)
