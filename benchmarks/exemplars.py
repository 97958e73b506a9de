"""Nearest exemplars of every training spot, against the bare product of all with all.

`python benchmarks/exemplars.py [--spots 30000] [--width 512] [--patients 12] [--l1]`. The product
is made in blocks of 1024 queries and thrown away; the search leaves out each query's patient and
finds its nine nearest exactly. Both take turns with the same threads; the ratio is of their times.
"""

import argparse
from collections.abc import Sequence

import numpy as np
import torch
from _machine import report, seconds

from histoscribe.data.exemplars.pool import ExemplarPool
from histoscribe.data.exemplars.search import ExemplarSearch
from histoscribe.data.items.spots import SpotQueries
from histoscribe.seed import stream
from histoscribe.types import SpotKeys

TARGET_RATIO = 1.2
N_EXEMPLARS, N_SECTIONS, BLOCK = 9, 3, 1024


def main(arguments: Sequence[str] | None = None) -> None:
    """Time both, compare some queries with NumPy in float64, and print one line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--spots", type=int, default=30_000)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--l1", action="store_true", help="time the L1 distance too (minutes)")
    given = parser.parse_args(arguments)
    pool = _pool(given.spots, given.width, given.patients)
    queries = SpotQueries(pool.feature, pool.keys, pool.encoder)
    feature = torch.from_numpy(pool.feature).to(given.device)
    block = torch.empty(BLOCK, len(pool), device=given.device)

    def bare() -> None:
        for some in feature.split(BLOCK):
            torch.mm(some, feature.T, out=block[: len(some)])
        if feature.is_cuda:
            torch.cuda.synchronize()

    def ours() -> np.ndarray:
        search = ExemplarSearch(pool, device=given.device)
        return search.nearest(queries, N_EXEMPLARS, "patient").rows

    fast, slow = seconds(bare, ours, repeats=given.repeats)
    figures = {"l1_seconds": _l1(pool, queries, given.device)} if given.l1 else {}
    report(
        "exemplars",
        n_spots=len(pool),
        width=given.width,
        n_patients=given.patients,
        threads=torch.get_num_threads(),
        device=torch.cuda.get_device_name() if feature.is_cuda else given.device,
        bare_product_seconds=fast,
        seconds=slow,
        queries_per_second=len(pool) / slow,
        ratio=slow / fast,
        target_ratio=TARGET_RATIO,
        queries_unlike_numpy=_unlike_numpy(pool, ours()),
        **figures,
    )


def _pool(n_spots: int, width: int, n_patients: int) -> ExemplarPool:
    """Spots in clusters shared by all patients, like tissues, with a shift for each patient."""
    rng = stream(0, "benchmark exemplars")
    patient = np.sort(rng.integers(n_patients, size=n_spots))
    section = rng.integers(N_SECTIONS, size=n_spots)
    clouds = rng.normal(size=(8, width))
    shift = 0.3 * rng.normal(size=(n_patients, width))
    feature = clouds[rng.integers(8, size=n_spots)] + shift[patient]
    feature += 0.5 * rng.normal(size=feature.shape)
    return ExemplarPool(
        feature=feature.astype(np.float32),
        target=np.zeros((n_spots, 1), dtype=np.float32),
        keys=SpotKeys.of_names(
            [f"P{p:02}-{s}" for p, s in zip(patient, section, strict=True)],
            [f"P{p:02}" for p in patient],
            [f"{spot:06}" for spot in range(n_spots)],
        ),
        encoder="simulated",
    )


def _unlike_numpy(pool: ExemplarPool, rows: np.ndarray) -> int:
    """Number of fifty queries whose exemplars differ from a full sort of all distances."""
    patient, unlike = pool.keys.patient, 0
    for query in np.linspace(0, len(pool) - 1, 50).astype(int):
        apart = np.square(pool.feature.astype(np.float64) - pool.feature[query]).sum(axis=1)
        apart[patient == patient[query]] = np.inf
        nearest = np.argsort(apart, kind="stable")[:N_EXEMPLARS]
        unlike += not np.array_equal(nearest, rows[query])
    return unlike


def _l1(pool: ExemplarPool, queries: SpotQueries, device: str) -> float:
    search = ExemplarSearch(pool, "l1", device)
    (taken,) = seconds(lambda: search.nearest(queries, N_EXEMPLARS, "patient"), repeats=1)
    return taken


if __name__ == "__main__":
    main()
