"""Band of shuffled labels: scores of the same features without any link to expression.

Ridge, with the alpha chosen for the real data, is fitted 100 times. Each time the expression rows
of the training spots are permuted within their section. Whole rows move, so genes keep their
correlations and each row its depth, but neighbouring spots are no longer alike: a band is narrower
than that of a smooth map that is wrong. Test spots stay as they are. All runs share one
decomposition: only the targets change. `metrics.chance` turns them into q.
"""

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors.numpy
from jaxtyping import Float

from histoscribe.benchmark.cell import folder_name
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import Truth
from histoscribe.data.target import Target
from histoscribe.io.atomic import replacing
from histoscribe.io.tensor_file import tensor_facts
from histoscribe.metrics.chance import SHUFFLED_RUNS
from histoscribe.metrics.moments import moments, pcc, pcc_given_depth
from histoscribe.models.closed_form.ridge_path import RidgePath, choose_alpha
from histoscribe.progress import track
from histoscribe.seed import stream
from histoscribe.threads import in_order
from histoscribe.train.tables import training_table
from histoscribe.types import Fold, SpotTable

SHUFFLED = "shuffled"
METRICS = {"pcc": pcc, "pcc_given_depth": pcc_given_depth}


@dataclass(frozen=True, eq=False)
class MeasuredSpots:
    """Measured values of the test spots of a section."""

    section: str
    measured: Float[np.ndarray, "N G"]
    """On the scale of the target."""
    log_total: Float[np.ndarray, " N"]


@dataclass(frozen=True, eq=False)
class Shuffled:
    """Scores of all shuffled runs in one test section."""

    section: str
    patient: str
    genes: tuple[str, ...]
    n_spots: int
    """Number of scored spots."""
    scores: dict[str, Float[np.ndarray, "runs G"]]
    """By metric."""


def shuffled_fold(
    plan: RunPlan, fold: Fold, target: Target, truths: Sequence[Truth]
) -> list[Shuffled]:
    """Score the shuffled runs of a fold; finished ones are read from disk."""
    arrays = kept_scores(
        plan.out / "predictions" / SHUFFLED / f"{folder_name(fold)}.safetensors",
        lambda: shuffled_scores(
            plan,
            fold,
            training_table(plan.run_data, fold, target, None),
            [MeasuredSpots(t.section, t.measured, t.log_total) for t in truths],
        ),
    )
    return [
        Shuffled(
            truth.section,
            truth.patient,
            truth.genes,
            len(truth.log_total),
            {metric: arrays[f"{truth.section}/{metric}"] for metric in METRICS},
        )
        for truth in truths
    ]


def kept_scores(path: Path, score: Callable[[], dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Read scores from a file, which is computed and written first if it is missing."""
    if not path.exists():
        arrays = score()
        with replacing(path) as temporary:
            safetensors.numpy.save_file(arrays, temporary)
    tensor_facts(path, "remove this file, and run the same command again")
    return dict(safetensors.numpy.load_file(path))


def shuffled_scores(
    plan: RunPlan, fold: Fold, table: SpotTable, tested: Sequence[MeasuredSpots]
) -> dict[str, np.ndarray]:
    """Scores of 100 shuffled runs by `<section>/<metric>`, each [runs, columns of the target].

    `table` has the training spots, with what ridge learns as its target.
    """
    alpha, _ = choose_alpha(table)
    path = RidgePath(table.feature)
    mean = table.target.mean(axis=0, dtype=np.float64)
    centred = (table.target - mean).astype(np.float32)
    smoothers = [
        path.smoother(plan.run_data.features(None, t.section, fold)[fold.test[t.section]], alpha)
        for t in tested
    ]
    smoothers = [matrix.astype(np.float32) for matrix in smoothers]
    shape = (SHUFFLED_RUNS, table.target.shape[1])
    arrays = {f"{t.section}/{metric}": np.zeros(shape) for t in tested for metric in METRICS}

    def score(run: int) -> None:
        moved = centred[permuted_rows(table, plan.settings.seed, run)]
        for truth, smoother in zip(tested, smoothers, strict=True):
            m = moments(smoother @ moved, truth.measured, truth.log_total)
            for metric, of in METRICS.items():
                arrays[f"{truth.section}/{metric}"][run] = of(m)

    with closing(in_order(score, range(SHUFFLED_RUNS))) as done:
        for _ in track(done, f"shuffled labels, fold {fold.name}", SHUFFLED_RUNS):
            pass
    return arrays


def permuted_rows(table: SpotTable, seed: int, run: int) -> np.ndarray:
    """Row numbers after a permutation of the spots within each section.

    The jittered views of a spot move with it.
    """
    n_spots = len(table) // table.copies
    section = table.keys.section_names[:n_spots]
    rows = np.arange(n_spots)
    for name in np.unique(section):
        within = np.flatnonzero(section == name)
        rows[within] = stream(seed, f"shuffle-{run}-{name}").permutation(within)
    return (n_spots * np.arange(table.copies)[:, None] + rows).ravel()
