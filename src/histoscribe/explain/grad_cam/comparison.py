"""Numbers of the question `grad-cam`: how far maps are those of an untrained network, too.

A map that training does not change says nothing of what was learned: Adebayo et al. 2018,
arXiv:1810.03292.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from jaxtyping import Float

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.grad_cam.likeness import rank_correlation, shared_fifth
from histoscribe.seed import stream

N_SHUFFLES = 100
"""Random orders of the cells of the maps."""
_SEED = 0

_Measure = Callable[[Float[np.ndarray, "n cells"], Float[np.ndarray, "n cells"]], np.ndarray]
_MEASURES: dict[str, tuple[_Measure, str]] = {
    "rank_correlation": (
        rank_correlation,
        "rank correlation of the cells of a map with those of the map",
    ),
    "strongest_fifth": (
        shared_fifth,
        "of the strongest fifth of the cells of a map, the share that is in the strongest fifth "
        "of the map",
    ),
}
_MEAN = "mean over windows and genes"


@dataclass(frozen=True, eq=False)
class MapSets:
    """Maps of windows to compare, each as a list of cells."""

    trained: Float[np.ndarray, "n K cells"]
    """Of the genes of the question."""
    random: Float[np.ndarray, "draws n K cells"]
    """The same, of randomly drawn networks."""
    other_genes: Float[np.ndarray, "n J cells"]
    """Of other genes of the panel, of the trained network; there may be none."""
    off_tissue: Float[np.ndarray, "n cells"]
    """Share of each cell that is off the tissue."""

    def likeness(self, name: str) -> Float[np.ndarray, "draws n K"]:
        """Each trained map compared with that of each random network, by the named measure."""
        measure, _ = _MEASURES[name]
        return np.stack([_each(measure, self.trained, maps) for maps in self.random])

    @property
    def mass_off_tissue(self) -> Float[np.ndarray, "n K"]:
        """Share of a map that lies off the tissue; NaN for a map of zeros."""
        return _mass_off_tissue(self.trained, self.off_tissue)


def numbers(maps: MapSets) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """The statistic and its null: likeness to random networks, empty maps, and tissue."""
    statistic: list[Number] = []
    null: list[Number] = []
    for name in _MEASURES:
        statistic.append(_of_random(maps, name))
        null += _nulls(maps, name)
    meaning = "share of maps that are zero everywhere"
    empty, random_empty = (_empty(values) for values in (maps.trained, maps.random))
    statistic.append(Number("empty_maps", float(empty.mean()), meaning))
    by_draw = random_empty.reshape(len(random_empty), -1).mean(axis=1)
    null.append(Number.of_draws("empty_maps", by_draw, f"{meaning}, of randomly drawn networks"))
    meaning = "share of a map that lies off the tissue"
    off_tissue = defined_mean(maps.mass_off_tissue)
    statistic.append(Number("off_tissue", off_tissue, f"{meaning}; {_MEAN}"))
    random_off = [defined_mean(_mass_off_tissue(part, maps.off_tissue)) for part in maps.random]
    null += [
        Number.of_draws(
            "off_tissue", np.array(random_off), f"{meaning}, of randomly drawn networks"
        ),
        Number("area_off_tissue", float(maps.off_tissue.mean()), "share of the windows' area"),
    ]
    return tuple(statistic), tuple(null)


def _of_random(maps: MapSets, name: str) -> Number:
    draws = np.array([defined_mean(part) for part in maps.likeness(name)])
    return Number.of_draws(name, draws, f"{_MEASURES[name][1]} of a random network; {_MEAN}")


def _nulls(maps: MapSets, name: str) -> Iterator[Number]:
    measure, words = _MEASURES[name]
    pairs = combinations(maps.random, 2)
    between = np.array([defined_mean(_each(measure, one, other)) for one, other in pairs])
    yield Number.of_draws(name, between, f"{words} of a random network, both drawn at random")
    draws = (_each(measure, maps.trained, part) for part in _shuffled(maps))
    shuffled = np.array([defined_mean(draw) for draw in draws])
    meaning = f"{words} of a random network, its cells shuffled"
    yield Number.of_draws(f"{name}_shuffled", shuffled, meaning)
    shifts = range(1, len(maps.trained))
    windows = [_each(measure, maps.trained, np.roll(maps.trained, by, axis=0)) for by in shifts]
    meaning = f"{words} of the same gene over another window"
    yield Number(f"{name}_another_window", defined_mean(np.array(windows)), meaning)
    genes = [
        _each(measure, maps.trained, np.broadcast_to(other[:, None], maps.trained.shape))
        for other in np.moveaxis(maps.other_genes, 1, 0)
    ]
    meaning = f"{words} of another gene over the same window"
    yield Number(f"{name}_another_gene", defined_mean(np.array(genes)), meaning)


def _shuffled(maps: MapSets) -> Iterator[Float[np.ndarray, "n K cells"]]:
    """Maps of the first random network, with cells in random order."""
    random = stream(_SEED, "explain-grad-cam-shuffle")
    for _ in range(N_SHUFFLES):
        yield random.permuted(maps.random[0], axis=2)


def _each(
    measure: _Measure,
    maps: Float[np.ndarray, "n K cells"],
    others: Float[np.ndarray, "n K cells"],
) -> Float[np.ndarray, "n K"]:
    n_cells = maps.shape[2]
    values = measure(maps.reshape(-1, n_cells), others.reshape(-1, n_cells))
    return values.reshape(maps.shape[:2])


def _empty(maps: Float[np.ndarray, "*n cells"]) -> np.ndarray:
    return (maps == 0).all(axis=-1)


def _mass_off_tissue(
    maps: Float[np.ndarray, "n K cells"], off_tissue: Float[np.ndarray, "n cells"]
) -> Float[np.ndarray, "n K"]:
    mass = maps.sum(axis=2)
    off = (maps * off_tissue[:, None]).sum(axis=2)
    return np.where(mass > 0, off / np.where(mass > 0, mass, 1.0), np.nan)
