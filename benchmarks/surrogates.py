"""False alarms and power of the test of two maps, for `docs/concepts/chance-levels.md`.

`python benchmarks/surrogates.py`: 1,000 pairs of maps on 300 spots of a hexagonal array, each map
white noise smoothed with a Gaussian of 1, 2 and 4 pitches. Maps of a pair are unrelated (false
alarms: share with p at most 0.05), or share so much that they correlate by 0.45 on average (power).
Four tests of the same pairs: correlation and AUROC (label: above the median) against the surrogates
of the package; surrogates from the neighbour graph; and the test that takes spots as independent.

`--quick` shows in seconds that it runs.
"""

import argparse
from collections.abc import Callable, Mapping

import numpy as np
from _machine import report
from scipy.linalg import eigh
from scipy.spatial.distance import cdist
from scipy.stats import pearsonr

from histoscribe.explain.surrogates import N_DRAWS, auroc_test, correlation_test
from histoscribe.metrics.spatial import NEIGHBOUR_PITCHES
from histoscribe.seed import stream

N_SPOTS = 300
SMOOTH_PITCHES = (1.0, 2.0, 4.0)
CORRELATION = 0.45
PairTest = Callable[[np.ndarray, np.ndarray, int], float]
"""From two maps and a seed to a p-value."""


def main() -> None:
    """Print one table of false alarms and one of power."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="ten pairs")
    given = parser.parse_args()
    n_pairs = 10 if given.quick else 1000
    tests = pair_tests(hexagonal_array())
    false_alarms = []
    for title, correlation in {"false alarms": 0.0, "power": CORRELATION}.items():
        print(f"\n{title}\n\n| smoothing, pitches | {' | '.join(tests)} |")
        print("|---|" + len(tests) * "---|")
        for pitches in SMOOTH_PITCHES:
            rate = found(tests, pitches, correlation, n_pairs, given.seed)
            false_alarms += [] if correlation else [rate["correlation"]]
            print(f"| {pitches:g} | {' | '.join(f'{value:.3f}' for value in rate.values())} |")
    report("surrogates", pairs=n_pairs, false_alarm_to_5_percent_ratio=np.mean(false_alarms) / 0.05)


def hexagonal_array() -> np.ndarray:
    """Places of the spots, in pitches."""
    row, column = np.divmod(np.arange(N_SPOTS), 18)
    return np.stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)], axis=1)


def pair_tests(places: np.ndarray) -> Mapping[str, PairTest]:
    """The tests by name."""
    near = (cdist(places, places) < NEIGHBOUR_PITCHES).astype(float)
    graph_waves = eigh(_centred(near - np.eye(len(places))) - 1.0)[1][:, 1:]

    def graph(first: np.ndarray, second: np.ndarray, seed: int) -> float:
        one, other = (graph_waves.T @ (values - values.mean()) for values in (first, second))
        signs = stream(seed, "graph").choice([-1.0, 1.0], size=(N_DRAWS, len(one)))
        extreme = np.abs(signs @ (one * other)) >= abs(one @ other)
        return float((1 + extreme.sum()) / (1 + N_DRAWS))

    return {
        "correlation": lambda one, other, seed: correlation_test(one, other, places, seed).p,
        "AUROC": lambda one, other, seed: auroc_test(one, other > np.median(other), places, seed).p,
        "neighbour graph": graph,
        "independent spots": lambda one, other, _: float(pearsonr(one, other).pvalue),
    }


def found(
    tests: Mapping[str, PairTest], pitches: float, correlation: float, n_pairs: int, seed: int
) -> dict[str, float]:
    """Share of pairs that each test calls related."""
    places = hexagonal_array()
    blur = np.exp(-((cdist(places, places) / pitches) ** 2) / 2)
    noise = stream(seed, f"pairs-{pitches:g}").standard_normal((n_pairs, len(places), 2))
    p = np.empty((n_pairs, len(tests)))
    for pair in range(n_pairs):
        first, unrelated = (_standard(one) for one in (blur @ noise[pair]).T)
        second = correlation * first + np.sqrt(1 - correlation**2) * unrelated
        p[pair] = [test(first, second, pair) for test in tests.values()]
    return dict(zip(tests, (p <= 0.05).mean(axis=0).tolist(), strict=True))


def _centred(weight: np.ndarray) -> np.ndarray:
    weight = weight - weight.mean(axis=0)
    return weight - weight.mean(axis=1, keepdims=True)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()


if __name__ == "__main__":
    main()
