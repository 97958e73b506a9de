"""Random maps as smooth as a given one, and the tests of maps that rest on them.

Neighbouring spots are alike, so two unrelated maps often correlate. Shuffled spots lose this
likeness and call nearly every pair of smooth maps related. Surrogates keep it: Moran spectral
randomisation (Wagner and Dray 2015, doi:10.1111/2041-210X.12407) writes a map as a sum of waves
over the places, from broad to narrow, and gives each wave a random sign.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.linalg import eigh
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from histoscribe.explain.finding import Number
from histoscribe.seed import stream

MOST_PLACES = 3000
"""Places above which maps are averaged over tiles: waves over 3,000 places take ten seconds."""
N_DRAWS = 999
"""Surrogates of a test: its least p-value is 0.001."""
_REACH_PITCHES = 4.0
"""Distance, in pitches, over which the likeness of two places falls to 1/e."""
_ROUNDING = 1e-9  # a map that varies by less, relative to its largest value, is constant


@final
@dataclass(frozen=True, eq=False)
class MapTest:
    """A statistic of a map, and the same statistic of surrogates of the map."""

    value: float
    """NaN where a map is constant, or a label has one class."""
    draws: Float[np.ndarray, " draws"]
    """All NaN where the value is."""
    p: float
    """Two-sided: share of draws at least as far from the value of no relation; NaN as above."""

    def number(self, name: str, meaning: str) -> tuple[Number, Number]:
        """The value, and under the same name its range by chance."""
        by_chance = f"{meaning}, of {len(self.draws)} equally smooth random maps"
        return Number(name, self.value, meaning), Number.of_draws(name, self.draws, by_chance)

    def p_number(self, name: str) -> Number:
        """The p-value, under the name `p_<name>`."""
        meaning = f"share of equally smooth random maps with {name} as extreme (two-sided)"
        return Number(f"p_{name}", self.p, meaning)


def surrogates(
    values: Float[np.ndarray, " N"], um: Float[np.ndarray, "N 2"], n: int, seed: int
) -> Float[np.ndarray, "n N"]:
    """Random maps with the mean, variance and smoothness of a map.

    Parameters
    ----------
    um
        Places, um; the pitch is the median distance to the nearest other place.
    n
        Number of surrogates.

    Returns
    -------
    [n, N] surrogates; all NaN for a constant map, which has no waves. Above 3,000 places they are
    surrogates of `tile_means(values, um)`, and places of one tile share a value.

    Raises ValueError for a map with undefined values: leave their places out.
    """
    waves = _waves_at(values, um)
    signs = _signs(waves, n, seed)
    mean_map = waves.tiles.means(values)
    if _is_constant(mean_map):
        return np.full((n, len(values)), np.nan)
    drawn = (signs * waves.heights(mean_map)) @ waves.shapes.T + mean_map.mean()
    return drawn[:, waves.tiles.of_place]


def tile_means(
    values: Float[np.ndarray, " N"], um: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, " N"]:
    """The map that surrogates stand for: averaged over tiles above 3,000 places, else as it is."""
    tiles = _waves_at(values, um).tiles
    return tiles.means(values)[tiles.of_place]


def correlation_test(
    first: Float[np.ndarray, " N"],
    second: Float[np.ndarray, " N"],
    um: Float[np.ndarray, "N 2"],
    seed: int,
) -> MapTest:
    """Pearson correlation of two maps of one section, against surrogates.

    It does not matter which of the two is randomised: the draws are the same. Above 3,000 places
    value and draws are of the maps averaged over tiles.

    Raises ValueError for a map with undefined values.
    """
    waves = _waves_at(first, um, second)
    means = [waves.tiles.means(values) for values in (first, second)]
    if any(_is_constant(mean_map) for mean_map in means):
        return _undefined()
    one, other = (_unit(waves.heights(mean_map)) for mean_map in means)
    # waves are orthogonal, so the correlation is the sum of their products
    shared = one * other
    draws = _signs(waves, N_DRAWS, seed) @ shared
    return _test(float(shared.sum()), draws, unrelated=0.0)


def correlation_draws(
    first: Float[np.ndarray, "N G"],
    second: Float[np.ndarray, "N G"],
    um: Float[np.ndarray, "N 2"],
    seed: int,
) -> Float[np.ndarray, "draws G"]:
    """Correlations of many pairs of maps, such as genes, where one map is a surrogate.

    Column by column as in `correlation_test`. The signs of a draw are those of all columns, so
    genes that go together do so in every draw. 0 where a map is constant.

    Raises ValueError for maps with undefined values.
    """
    waves = _waves(np.ascontiguousarray(um, dtype=np.float64).tobytes())
    shared = np.ones((waves.shapes.shape[1], first.shape[1]))
    for maps in (first, second):
        if not np.isfinite(maps).all():
            raise ValueError("a map has undefined values: leave their places out")
        means = np.stack([waves.tiles.means(column) for column in maps.T], axis=1)
        heights = waves.shapes.T @ (means - means.mean(axis=0))
        heights[:, [_is_constant(column) for column in means.T]] = 0.0
        length = np.linalg.norm(heights, axis=0)
        shared *= heights / np.where(length > 0, length, 1.0)
    return _signs(waves, N_DRAWS, seed) @ shared


def auroc_test(
    score: Float[np.ndarray, " N"],
    label: Bool[np.ndarray, " N"],
    um: Float[np.ndarray, "N 2"],
    seed: int,
) -> MapTest:
    """AUROC of a score for a label of places, ties half, against surrogates of the score.

    Above 3,000 places the score is averaged over tiles, in value and draws alike, and each place
    has the score of its tile. NaN where all places are of one class.

    Raises ValueError for a score with undefined values.
    """
    waves = _waves_at(score, um)
    mean_map = waves.tiles.means(score)
    if _is_constant(mean_map) or label.all() or not label.any():
        return _undefined()
    of_place, n_tiles = waves.tiles.of_place, len(mean_map)
    inside = np.bincount(of_place[label], minlength=n_tiles).astype(np.float64)
    outside = np.bincount(of_place[~label], minlength=n_tiles).astype(np.float64)
    drawn = (_signs(waves, N_DRAWS, seed) * waves.heights(mean_map)) @ waves.shapes.T
    value, *draws = _aurocs(np.vstack([mean_map, drawn]), inside, outside)
    return _test(float(value), np.array(draws), unrelated=0.5)


@final
@dataclass(frozen=True, eq=False)
class _Tiles:
    """Squares over the section, with the mean place of each; up to 3,000 places one each."""

    of_place: Int[np.ndarray, " N"]
    um: Float[np.ndarray, "T 2"]

    @classmethod
    def over(cls, um: Float[np.ndarray, "N 2"], pitch_um: float) -> "_Tiles":
        if len(um) <= MOST_PLACES:
            return cls(np.arange(len(um)), um)
        side_pitches, of_place = 1, np.arange(len(um))
        while of_place.max() >= MOST_PLACES:
            side_pitches += 1
            cell = np.floor((um - um.min(axis=0)) / (side_pitches * pitch_um)).astype(np.int64)
            of_place = np.unique(cell @ [cell[:, 1].max() + 1, 1], return_inverse=True)[1]
        tiles = cls(of_place, np.zeros((of_place.max() + 1, 2)))
        return cls(of_place, np.stack([tiles.means(axis) for axis in um.T], axis=1))

    def means(self, values: Float[np.ndarray, " N"]) -> Float[np.ndarray, " T"]:
        if len(values) == len(self.um):
            return np.asarray(values, dtype=np.float64)
        sums = np.bincount(self.of_place, values, minlength=len(self.um))
        return sums / np.bincount(self.of_place, minlength=len(self.um))


@final
@dataclass(frozen=True, eq=False)
class _Waves:
    """Orthonormal waves over the tiles, each of mean zero, from narrow to broad."""

    tiles: _Tiles
    shapes: Float[np.ndarray, "T waves"]

    def heights(self, mean_map: Float[np.ndarray, " T"]) -> Float[np.ndarray, " waves"]:
        return self.shapes.T @ (mean_map - mean_map.mean())


def _waves_at(
    values: Float[np.ndarray, " N"],
    um: Float[np.ndarray, "N 2"],
    second: Float[np.ndarray, " N"] | None = None,
) -> _Waves:
    """Waves over the places, after a check of the maps."""
    for one in (values,) if second is None else (values, second):
        if not np.isfinite(one).all():
            raise ValueError("a map has undefined values: leave their places out")
    return _waves(np.ascontiguousarray(um, dtype=np.float64).tobytes())


@lru_cache(maxsize=4)
def _waves(places: bytes) -> _Waves:
    """Eigenvectors of the doubly centred weights exp(-d / 4 pitches) between tiles.

    These weights, and not the neighbour graph: with the graph, smooth maps are called related
    too often (`docs/concepts/chance-levels.md`).
    """
    um = np.frombuffer(places, dtype=np.float64).reshape(-1, 2)
    if len(um) < 3:
        raise ValueError(f"{len(um)} places make no map; at least 3 are needed")
    tiles = _Tiles.over(um, _pitch_um(um))
    weight = np.exp(-cdist(tiles.um, tiles.um) / (_REACH_PITCHES * _pitch_um(tiles.um)))
    weight -= weight.mean(axis=0)
    weight -= weight.mean(axis=1, keepdims=True)
    # the constant map has eigenvalue 0; far below all others it cannot mix with a narrow wave
    weight -= 1.0
    _, shapes = eigh(weight, overwrite_a=True, check_finite=False)
    return _Waves(tiles, shapes[:, 1:])


def _pitch_um(um: Float[np.ndarray, "N 2"]) -> float:
    """Median distance to the nearest place that is another one."""
    places = np.unique(um, axis=0)
    if len(places) < 2:
        raise ValueError("all values lie in one place: they make no map")
    distance, _ = cKDTree(places).query(places, k=2)
    return float(np.median(distance[:, 1]))


def _signs(waves: _Waves, n: int, seed: int) -> Float[np.ndarray, "n waves"]:
    n_waves = waves.shapes.shape[1]
    return stream(seed, "surrogates").choice([-1.0, 1.0], size=(n, n_waves))


def _is_constant(values: Float[np.ndarray, " N"]) -> bool:
    return bool(np.ptp(values) <= _ROUNDING * np.abs(values).max())


def _unit(heights: Float[np.ndarray, " waves"]) -> Float[np.ndarray, " waves"]:
    return heights / np.linalg.norm(heights)


def _aurocs(
    maps: Float[np.ndarray, "n T"],
    inside: Float[np.ndarray, " T"],
    outside: Float[np.ndarray, " T"],
) -> Float[np.ndarray, " n"]:
    """AUROC of each map over places, `inside` and `outside` of them in each tile; ties half."""
    areas = np.empty(len(maps))
    for row, one in enumerate(maps):
        _, rank = np.unique(one, return_inverse=True)
        n_inside, n_outside = np.bincount(rank, inside), np.bincount(rank, outside)
        lower = np.cumsum(n_outside) - n_outside / 2
        areas[row] = n_inside @ lower
    return areas / (inside.sum() * outside.sum())


def _test(value: float, draws: Float[np.ndarray, " draws"], *, unrelated: float) -> MapTest:
    # a draw that differs from the value by rounding alone is as extreme
    extreme = np.abs(draws - unrelated) >= abs(value - unrelated) - _ROUNDING
    return MapTest(value, draws, float((1 + extreme.sum()) / (1 + len(draws))))


def _undefined() -> MapTest:
    return MapTest(float("nan"), np.full(N_DRAWS, np.nan), float("nan"))
