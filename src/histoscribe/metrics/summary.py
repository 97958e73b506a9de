"""From scores per gene and section to one number, with the values of its patients.

Averages are taken in a fixed order: genes within a section, sections within a patient, then
patients. A patient with many sections weighs as much as one with few. NaN means undefined: such
scores are left out and counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float

from histoscribe.seed import stream

MIN_PATIENTS = 5
"""With fewer patients there is no interval: the values per patient are listed instead."""

DRAWS = 10_000


@dataclass(frozen=True, eq=False)
class SectionScores:
    """Scores of one metric, model and section."""

    section: str
    patient: str
    values: Float[np.ndarray, " G"]
    """A score per gene, or a single one for a metric of the section; NaN where undefined."""
    n_constant: int = 0
    """Number of genes that were predicted constant: they score 0."""


@dataclass(frozen=True)
class Summary:
    """Mean over patients of one metric of one model."""

    mean: float
    """NaN where the metric is undefined in all patients."""
    low: float | None
    """Lower end of the 95 % interval over patients; None below five patients."""
    high: float | None
    by_patient: tuple[tuple[str, float], ...]
    """Patient and its value, sorted by name; NaN where all its scores are undefined."""
    n_patients: int
    """Number of patients in the mean."""
    n_undefined: int
    """Number of undefined scores (gene and section)."""
    n_constant: int
    """Number of scores that are 0 because the prediction was constant."""


@dataclass(frozen=True)
class PccAt:
    """EGN's PCC@F, PCC@S and PCC@M: over genes of `pcc_pooled` in each fold, then over folds."""

    first_quartile: float
    median: float
    mean: float


def summarise(
    scores: Sequence[SectionScores], seed: int, over_genes: Literal["mean", "median"] = "mean"
) -> Summary:
    """Aggregate genes, sections and patients in this order; `median` is TCGN's median PCC."""
    reduce = np.mean if over_genes == "mean" else np.median
    by_section: dict[str, list[float]] = {}
    for part in sorted(scores, key=lambda part: (part.patient, part.section)):
        defined = part.values[np.isfinite(part.values)]
        value = float(reduce(defined)) if defined.size else float("nan")
        by_section.setdefault(part.patient, []).append(value)
    by_patient = tuple((name, _mean_defined(values)) for name, values in by_section.items())
    defined = np.array([value for _, value in by_patient if np.isfinite(value)])
    low, high = patient_interval(defined, seed)
    return Summary(
        mean=_mean_defined(defined),
        low=low,
        high=high,
        by_patient=by_patient,
        n_patients=len(defined),
        n_undefined=sum(int((~np.isfinite(part.values)).sum()) for part in scores),
        n_constant=sum(part.n_constant for part in scores),
    )


def paired_difference(
    first: Sequence[SectionScores], second: Sequence[SectionScores], seed: int
) -> Summary:
    """Summary of `first` minus `second`, score by score, over the same genes.

    Raises
    ------
    ValueError
        When the two were not scored on the same sections and genes.
    """
    other = {(part.patient, part.section): part for part in second}
    if set(other) != {(part.patient, part.section) for part in first}:
        raise ValueError("the two models were not scored on the same sections")
    pairs = [(part, other[part.patient, part.section]) for part in first]
    if any(left.values.shape != right.values.shape for left, right in pairs):
        raise ValueError("the two models were not scored on the same genes")
    differences = [
        SectionScores(left.section, left.patient, left.values - right.values)
        for left, right in pairs
    ]
    return summarise(differences, seed)


def patient_interval(
    values: Float[np.ndarray, " patients"], seed: int
) -> tuple[float | None, float | None]:
    """95 % percentile bootstrap over patients, 10,000 draws; None below five patients.

    Calls with the same seed and number of patients draw the same patients, so intervals of
    different models and metrics are comparable.
    """
    if len(values) < MIN_PATIENTS:
        return None, None
    drawn = stream(seed, "bootstrap-patients").integers(len(values), size=(DRAWS, len(values)))
    low, high = np.percentile(values[drawn].mean(axis=1), [2.5, 97.5])
    return float(low), float(high)


def pcc_at(pooled_by_fold: Sequence[Float[np.ndarray, " _"]]) -> PccAt:
    """PCC@F (lower quartile, linear), PCC@S (median) and PCC@M (mean), from `pcc_pooled`.

    Each fold has its own panel, so the folds may differ in length; a fold without any defined
    gene is left out.
    """
    defined = [fold[np.isfinite(fold)] for fold in pooled_by_fold]
    folds = np.array(
        [[*np.percentile(fold, [25, 50]), fold.mean()] for fold in defined if fold.size]
    )
    if not folds.size:
        return PccAt(float("nan"), float("nan"), float("nan"))
    first_quartile, median, mean = folds.mean(axis=0)
    return PccAt(float(first_quartile), float(median), float(mean))


def _mean_defined(values: Sequence[float] | Float[np.ndarray, " n"]) -> float:
    defined = np.asarray(values)[np.isfinite(values)]
    return float(defined.mean()) if defined.size else float("nan")
