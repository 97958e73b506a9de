"""All moment metrics of a whole transcriptome, against SciPy gene by gene.

Run alone: `python benchmarks/metrics.py`. The loop is timed on some genes and scaled up; it
computes three of the eight metrics, so the ratio is on the careful side.
"""

import numpy as np
from _machine import report, seconds
from scipy.stats import pearsonr

from histoscribe.metrics.evaluated import Evaluated
from histoscribe.metrics.registry import METRICS, GeneMetric

N_SPOTS, N_GENES, N_LOOPED = 5_000, 18_000, 500
TARGET_SECONDS = 1.5


def main() -> None:
    """Time both in turns, check that they agree, and print one line of JSON."""
    rng = np.random.default_rng(0)
    measured = rng.standard_normal((N_SPOTS, N_GENES), dtype=np.float32)
    predicted = rng.standard_normal((N_SPOTS, N_GENES), dtype=np.float32)
    predicted += np.float32(0.3) * measured
    log_total = rng.normal(8, 1, size=N_SPOTS)
    ids = [m.id for m in METRICS.values() if isinstance(m, GeneMetric) and not m.panel_only]

    def ours() -> dict[str, np.ndarray]:
        evaluated = Evaluated(predicted, measured, log_total)
        return {id_: METRICS[id_].of(evaluated) for id_ in ids}

    def loop() -> np.ndarray:
        return np.array([_one_gene(predicted[:, g], measured[:, g]) for g in range(N_LOOPED)])

    fast, slow = seconds(ours, loop)
    apart = float(np.abs(ours()["pcc"][:N_LOOPED] - loop()[:, 0]).max())
    scaled = slow * N_GENES / N_LOOPED
    report(
        "metrics",
        n_genes=N_GENES,
        n_spots=N_SPOTS,
        n_metrics=len(ids),
        seconds=fast,
        target_seconds=TARGET_SECONDS,
        loop_seconds_scaled=scaled,
        ratio=scaled / fast,
        largest_difference_pcc=apart,
    )


def _one_gene(predicted: np.ndarray, measured: np.ndarray) -> tuple[float, float, float]:
    error = predicted - measured
    r = float(pearsonr(predicted, measured).statistic)
    return r, float((error**2).mean()), float(np.abs(error).mean())


if __name__ == "__main__":
    main()
