"""Search for slides that are shifted against their spots.

A shifted slide still has tissue under most spots. Scores show the shift: a model that has learned
from the other sections predicts the shifted section best after its prediction is moved back.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.spatial import cKDTree

from histoscribe.benchmark.cell import cell_prediction
from histoscribe.benchmark.plan import RunPlan
from histoscribe.benchmark.score import Truth
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.ties import first_best
from histoscribe.types import Fold

DIRECTIONS = {
    "right": (1, 0),
    "lower right": (1, 1),
    "bottom": (0, 1),
    "lower left": (-1, 1),
    "left": (-1, 0),
    "upper left": (-1, -1),
    "top": (0, -1),
    "upper right": (1, -1),
}
"""In image axes: x right, y down."""
COLUMNS = ("fold", "section", "direction", "n_spots", "pcc", "pcc_in_place", "sigma")
GAIN = 0.02
"""Gain in mean correlation from which a shifted prediction counts as better."""
SIGMAS = 4.0
"""Gain in standard errors over genes that is needed, too. Genes correlate: it gives no p value."""
_FEWEST = 20  # spots; a correlation of fewer says nothing
_NEAR = 0.6  # steps from the target place; a hexagon has 0.52 between rows


@dataclass(frozen=True)
class Misaligned:
    """Section whose prediction fits better after a shift by one step."""

    fold: str
    section: str
    direction: str
    pcc: float
    pcc_in_place: float


def alignment_table(
    plan: RunPlan, truths: Sequence[tuple[Fold, Truth]], model: str
) -> pd.DataFrame:
    """Score each test section with its prediction moved by one step in eight directions.

    A step is the pitch of the spots but at least 100 um, and 100 um where there is no lattice.
    One row per fold, section and direction. `n_spots` have a neighbour in this direction. `pcc` is
    the correlation of the value measured at a spot with the value predicted at that neighbour (mean
    over genes), and `pcc_in_place` that of the same spots without a shift. `sigma` is the mean gain
    of a gene in standard errors over genes. NaN if fewer than 20 spots have this neighbour.
    """
    rows = [row for fold, truth in truths for row in _rows(plan, fold, truth, model)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def foreign_alignment(plan: RunPlan, truths: Sequence[tuple[Fold, Truth]]) -> pd.DataFrame:
    """The table of `alignment_table` for each foreign model of a run, with a column `model`."""
    tables = [
        alignment_table(plan, truths, model).assign(model=model) for model in plan.foreign.models
    ]
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def misaligned(table: pd.DataFrame) -> list[Misaligned]:
    """Sections with a clear gain from a shift, each with its best shift."""
    gain = table["pcc"] - table["pcc_in_place"]
    clear = table[(gain > GAIN) & (table["sigma"] > SIGMAS) & (table["pcc"] > 0)]
    sections = [clear["fold"], clear["section"]]
    # the first of the directions that tie, in the order of `DIRECTIONS`
    best = clear.loc[
        gain[clear.index].groupby(sections).agg(lambda of: of.index[first_best(of.to_numpy())])
    ]
    columns = ["fold", "section", "direction", "pcc", "pcc_in_place"]
    return [Misaligned(*row) for row in best[columns].itertuples(index=False)]


def shifted_scores(
    xy: Float[np.ndarray, "N 2"],
    step_px: float,
    measured: Float[np.ndarray, "N G"],
    predicted: Float[np.ndarray, "N G"],
) -> Iterator[tuple[str, int, float, float, float]]:
    """Yield direction, n_spots, pcc, pcc_in_place and sigma of each shift."""
    tree = cKDTree(xy)
    for direction, towards in DIRECTIONS.items():
        unit = np.array(towards) / np.hypot(*towards)
        distance, neighbour = tree.query(xy + unit * step_px)
        # a spot that is nearest to itself has no neighbour on this side
        there = (distance < _NEAR * step_px) & (neighbour != np.arange(len(xy)))
        n_spots = int(there.sum())
        if n_spots < _FEWEST:
            yield direction, n_spots, np.nan, np.nan, np.nan
            continue
        moved, still = (
            pearson_per_gene(predicted[rows], measured[there])
            for rows in (neighbour[there], np.flatnonzero(there))
        )
        yield direction, n_spots, _mean(moved), _mean(still), _sigma(moved - still)


def _rows(
    plan: RunPlan, fold: Fold, truth: Truth, model: str
) -> Iterator[tuple[str, str, str, int, float, float, float]]:
    section = plan.run_data.cohort[truth.section]
    prediction = cell_prediction(plan, fold, model, truth.section)
    for scores in shifted_scores(
        prediction.spots.xy,
        section.spots.step_um / section.slide.mpp,
        truth.measured,
        prediction.values,
    ):
        yield (fold.name, truth.section, *scores)


def _mean(value: Float[np.ndarray, " G"]) -> float:
    known = value[np.isfinite(value)]
    return float(known.mean()) if known.size else np.nan


def _sigma(gain: Float[np.ndarray, " G"]) -> float:
    known = gain[np.isfinite(gain)]
    if known.size < 2 or known.std() == 0:
        return 0.0
    return float(known.mean() / (known.std(ddof=1) / np.sqrt(known.size)))
