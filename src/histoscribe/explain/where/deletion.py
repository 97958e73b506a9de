"""Whether a prediction depends on the tiles that a map ranks best: deletion and sufficiency.

The best-ranked tiles are removed, and alone kept, beside random tiles: as many of them, in as many
connected groups of the same sizes, with about as much tissue. A map whose tiles matter no more than
these says nothing about the model. This tests a map against its model, not against the tissue: the
map of a model that has learned nothing may pass.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import final

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int
from scipy.sparse.csgraph import connected_components

from histoscribe.explain.finding import Number
from histoscribe.seed import stream
from histoscribe.ties import best_first

TOP_SHARE = 0.1
"""Share of the tiles that count as best-ranked."""
N_RANDOM_SETS = 99
"""Random sets of tiles: the least p-value is 0.01."""
_CANDIDATES = 4  # random places for a group, of which the one with the likest tissue is taken

ValuesOf = Callable[[Bool[np.ndarray, "sets N"]], Float[np.ndarray, " sets"]]
"""Prediction of the whole section from each set of tiles: of a bag model for the bag without the
others, of a spot model the mean over all tiles where the others are blurred."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class DeletionResult:
    """What the best-ranked tiles of one map are worth to the prediction, beside random tiles."""

    n_top: int
    whole: float
    """Prediction from all tiles."""
    without_top: float
    """Prediction without the best-ranked tiles."""
    only_top: float
    """Prediction from the best-ranked tiles alone."""
    deletion: float
    """Fall of the prediction without them; its size, whatever the sign, of a map of weights."""
    sufficiency: float
    """Prediction from them alone less that from all; of a map of weights the negative size of this
    difference, so that more is better in both."""
    random_deletion: Float[np.ndarray, " draws"]
    random_sufficiency: Float[np.ndarray, " draws"]

    @property
    def p_deletion(self) -> float:
        """Share of random sets whose removal changes the prediction at least as much."""
        return _p(self.deletion, self.random_deletion)

    @property
    def p_sufficiency(self) -> float:
        """Share of random sets that alone keep the prediction at least as well."""
        return _p(self.sufficiency, self.random_sufficiency)

    @property
    def is_failure(self) -> bool:
        """Whether removing the best-ranked tiles does no more than removing random ones."""
        return not self.p_deletion <= 0.05

    def verdict(self, name: str) -> str:
        """One sentence for the map of this name; of a map that failed, it begins with FAILED."""
        low, high = np.percentile(self.random_deletion, [2.5, 97.5])
        change = (
            f"without its {self.n_top} best-ranked tiles the prediction changes by "
            f"{self.deletion:.3g}, without as many random ones by {low:.3g} to {high:.3g}"
        )
        if self.is_failure:
            return (
                f"FAILED: the map of {name} does not show what the prediction rests on: {change}."
            )
        return f"The map of {name} shows tiles that the prediction rests on: {change}."

    @property
    def statistic(self) -> tuple[Number, ...]:
        """Both numbers with their p-values."""
        return (
            Number("deletion", self.deletion, _DELETION),
            Number("sufficiency", self.sufficiency, _SUFFICIENCY),
            Number("p_deletion", self.p_deletion, f"share of random sets with more {_DELETION}"),
            Number(
                "p_sufficiency",
                self.p_sufficiency,
                f"share of random sets with more {_SUFFICIENCY}",
            ),
        )

    @property
    def null(self) -> tuple[Number, ...]:
        """Both numbers of random sets of tiles."""
        of = f"of {len(self.random_deletion)} random sets of tiles, alike in groups and tissue"
        return (
            Number.of_draws("deletion", self.random_deletion, f"{_DELETION}, {of}"),
            Number.of_draws("sufficiency", self.random_sufficiency, f"{_SUFFICIENCY}, {of}"),
        )


_DELETION = "change of the prediction without the best-ranked tiles"
_SUFFICIENCY = "prediction from the best-ranked tiles alone, against that from all"


def deletion_test(
    values: Float[np.ndarray, " N"],
    values_of: ValuesOf,
    place: "TilePlaces",
    seed: int,
    *,
    is_weight: bool,
) -> DeletionResult:
    """Remove the best-ranked tiles of a map, and keep them alone, beside random sets of tiles.

    Parameters
    ----------
    values
        The map, one value per tile.
    values_of
        Predictions from subsets of the tiles.
    is_weight
        True for a map that says how much a tile counts but not in which direction, such as
        attention; False for one whose high values raise the prediction.

    Raises ValueError for a map with undefined values.
    """
    if not np.isfinite(values).all():
        raise ValueError("a map has undefined values: leave their tiles out")
    n_top = max(1, round(TOP_SHARE * len(values)))
    top = np.zeros(len(values), dtype=bool)
    top[best_first(values)[:n_top]] = True
    sets = np.concatenate([top[None], random_sets(top, place, N_RANDOM_SETS, seed)])
    (whole,) = values_of(np.ones((1, len(values)), dtype=bool))
    without, alone = values_of(~sets), values_of(sets)
    deletion, sufficiency = whole - without, alone - whole
    if is_weight:
        deletion, sufficiency = np.abs(deletion), -np.abs(sufficiency)
    return DeletionResult(
        n_top=n_top,
        whole=float(whole),
        without_top=float(without[0]),
        only_top=float(alone[0]),
        deletion=float(deletion[0]),
        sufficiency=float(sufficiency[0]),
        random_deletion=deletion[1:],
        random_sufficiency=sufficiency[1:],
    )


@final
@dataclass(frozen=True, eq=False)
class TilePlaces:
    """Which tiles are neighbours, and how much tissue each shows."""

    graph: sp.csr_matrix
    """[N, N] ones between neighbours, as `metrics.spatial.neighbour_graph` gives."""
    tissue: Float[np.ndarray, " N"]
    """Share of tissue, 0..1."""


def random_sets(
    top: Bool[np.ndarray, " N"], place: TilePlaces, n_sets: int, seed: int
) -> Bool[np.ndarray, "sets N"]:
    """Random sets of tiles that are like `top` in contiguity and tissue.

    Each connected group of `top`, the largest first, gets a counterpart: a connected group of the
    same size grown from a random tile by random neighbours, of several such groups the one whose
    mean tissue is nearest. Where what is left of the section is too small for a group, the rest of
    it is grown elsewhere.
    """
    groups = [(len(rows), float(place.tissue[rows].mean())) for rows in _groups(top, place.graph)]
    graph = place.graph
    near = [graph.indices[a:b].tolist() for a, b in pairwise(graph.indptr)]
    sets = np.zeros((n_sets, len(top)), dtype=bool)
    for draw, tiles in enumerate(sets):
        rng = stream(seed, f"explain-where-random-tiles-{draw}")
        for size, tissue in groups:
            grown = [_grown(size, tiles, near, rng) for _ in range(_CANDIDATES)]
            off = [abs(float(place.tissue[rows].mean()) - tissue) for rows in grown]
            tiles[grown[int(np.argmin(off))]] = True
    return sets


def _groups(top: Bool[np.ndarray, " N"], graph: sp.csr_matrix) -> list[Int[np.ndarray, " _"]]:
    """Connected groups of these tiles, the largest first."""
    rows = np.flatnonzero(top)
    _, label = connected_components(graph[rows][:, rows], directed=False)
    order = np.argsort(-np.bincount(label), kind="stable")
    return [rows[label == number] for number in order]


def _grown(
    size: int, taken: Bool[np.ndarray, " N"], near: Sequence[list[int]], rng: np.random.Generator
) -> list[int]:
    """A connected group of free tiles; a second one where the first has no room to grow."""
    free = (~taken).tolist()
    group: list[int] = []
    border: list[int] = []
    for draw in rng.random(size).tolist():  # one call: thousands of groups are grown
        if not border:
            start = [tile for tile, is_free in enumerate(free) if is_free]
            border = [start[int(draw * len(start))]]
            free[border[0]] = False
        group.append(border.pop(int(draw * len(border))))
        for tile in near[group[-1]]:
            if free[tile]:
                free[tile] = False
                border.append(tile)
    return group


def _p(value: float, draws: Float[np.ndarray, " draws"]) -> float:
    """One-sided: share of draws, the value among them, that are at least as large."""
    if np.isnan(value) or np.isnan(draws).any():
        return float("nan")
    rounding = 1e-9 * np.abs(draws).max(initial=abs(value))
    return float((1 + (draws >= value - rounding).sum()) / (1 + len(draws)))
