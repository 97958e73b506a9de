"""Numbers of the question `graph`: what of a graph random networks and random edges have, too."""

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np

from histoscribe.explain.finding import Number, defined_mean
from histoscribe.explain.graph.window_graphs import WindowGraphs, lengths
from histoscribe.seed import stream

N_DRAWS = 100
"""Draws of random pairs of cells."""
BLOCKS = ("first", "second")
"""Names of both graphs, in the order of the network."""
_SEED = 0  # of these pairs

_LOOPS = "share of the edges that are self-loops"
_LENGTH = "median length of the other edges, um"
_SHARED = "of the edges that are no self-loops, the share that is also in the graph of"
_MEAN = "mean over windows"
_RANDOM = "of randomly drawn networks"
_PAIRS = "of as many edges between random cells"


def numbers(
    block: str, trained: WindowGraphs, random: Sequence[WindowGraphs]
) -> tuple[tuple[Number, ...], tuple[Number, ...]]:
    """The statistic of one graph and its null: self-loops, lengths and shared edges."""
    loops, length, shared = (f"{name}_{block}" for name in ("self_loops", "median_um", "shared"))
    with_random = np.array([_shared(trained, part) for part in random])
    statistic = (
        Number(loops, _loops(trained), _LOOPS),
        Number(length, _median_um(trained), f"{_LENGTH}; {_MEAN}"),
        Number.of_draws(shared, with_random, f"{_SHARED} a random network; {_MEAN}"),
    )
    random_loops, random_um = (
        np.array([number(part) for part in random]) for number in (_loops, _median_um)
    )
    between = np.array([_shared(one, other) for one, other in combinations(random, 2)])
    pairs = _random_lengths(trained)
    n_cells = trained.side**2
    null = (
        Number.of_draws(loops, random_loops, f"{_LOOPS}, {_RANDOM}"),
        Number(f"{loops}_random_edges", 1 / n_cells, f"{_LOOPS}, {_PAIRS}"),
        Number.of_draws(length, random_um, f"{_LENGTH}, {_RANDOM}"),
        Number.of_draws(f"{length}_random_edges", pairs, f"{_LENGTH}, {_PAIRS}"),
        Number.of_draws(shared, between, f"{_SHARED} a random network, both drawn at random"),
        Number(
            f"{shared}_random_edges",
            _expected_share(random),
            f"{_SHARED} a random network, {_PAIRS}",
        ),
        Number(
            f"{shared}_another_window",
            defined_mean(list(_other_windows(trained))),
            f"{_SHARED} the same network over another window",
        ),
    )
    return statistic, null


def _loops(graphs: WindowGraphs) -> float:
    return float(graphs.self_loop.mean())


def _median_um(graphs: WindowGraphs) -> float:
    return defined_mean([float(graphs.quartiles_um(window)[1]) for window in range(len(graphs))])


def _shared(graphs: WindowGraphs, others: WindowGraphs) -> float:
    return defined_mean([graphs.shared(window, others, window) for window in range(len(graphs))])


def _other_windows(graphs: WindowGraphs) -> Iterator[float]:
    for window, other in combinations(range(len(graphs)), 2):
        yield graphs.shared(window, graphs, other)


def _expected_share(random: Sequence[WindowGraphs]) -> float:
    """Share of all pairs of two cells that are edges of a random network."""
    n_cells = random[0].side ** 2
    kept = [float((~part.self_loop).sum(axis=1).mean()) for part in random]
    return float(np.mean(kept)) / (n_cells * (n_cells - 1))


def _random_lengths(graphs: WindowGraphs) -> np.ndarray:
    """Median length of random edges between two different cells, for each draw."""
    random = stream(_SEED, "explain-graph-edges")
    n_cells, n_edges = graphs.side**2, graphs.source.shape[1]
    source = random.integers(n_cells, size=(N_DRAWS, n_edges))
    target = (source + random.integers(1, n_cells, size=(N_DRAWS, n_edges))) % n_cells
    return np.median(lengths(source, target, graphs.side), axis=1) * graphs.pitch_um
