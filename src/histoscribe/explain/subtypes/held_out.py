"""Held-out patients: stratified folds, scores, and the area under the ROC curve of one class."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.optimize import brentq
from scipy.stats import norm, rankdata, t
from sklearn.model_selection import StratifiedKFold

from histoscribe.seed import integer

_COVERAGE = 0.95
_EDGE = 1e-9  # at 0 and 1 the standard error is 0, which is a solution that means nothing


@dataclass(frozen=True, eq=False)
class PatientFold:
    """One division of the patients."""

    repeat: int
    train: Int[np.ndarray, " n"]
    test: Int[np.ndarray, " m"]


def patient_folds(
    classes: Sequence[str], n_folds: int, n_repeats: int, seed: int
) -> tuple[PatientFold, ...]:
    """Divide patients into parts of equal shares of each class, several times."""
    folds = []
    for repeat in range(n_repeats):
        state = integer(seed, f"subtypes-folds-{repeat}")
        divide = StratifiedKFold(n_folds, shuffle=True, random_state=state)
        for train, test in divide.split(np.zeros(len(classes)), list(classes)):
            folds.append(PatientFold(repeat, train.astype(np.int64), test.astype(np.int64)))
    return tuple(folds)


def held_out_scores(
    folds: Sequence[PatientFold], score: Callable[[PatientFold], Float[np.ndarray, " m"]]
) -> Float[np.ndarray, "R N"]:
    """Score every patient once a repeat, by a model that was fitted without it."""
    n_patients = sum(len(fold.test) for fold in folds if fold.repeat == folds[0].repeat)
    scores = np.full((folds[-1].repeat + 1, n_patients), np.nan)
    for fold in folds:
        scores[fold.repeat, fold.test] = score(fold)
    return scores


def auroc_within_folds(
    scores: Float[np.ndarray, "R N"],
    folds: Sequence[PatientFold],
    positive: Bool[np.ndarray, " N"],
) -> float:
    """Share of pairs, one patient of the class and one of the rest, in the right order; ties half.

    A pair counts only where both were held out together: scores of two folds are of two models and
    have no common scale. NaN where there is no such pair.
    """
    won, n_pairs = 0.0, 0
    for fold in folds:
        values, of_class = scores[fold.repeat, fold.test], positive[fold.test]
        differences = values[of_class][:, None] - values[~of_class][None, :]
        won += float((differences > 0).sum() + 0.5 * (differences == 0).sum())
        n_pairs += differences.size
    return won / n_pairs if n_pairs else float("nan")


def aurocs_alone(
    values: Float[np.ndarray, "N A"], positive: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, " A"]:
    """AUROC of each gene without any model, by Mann-Whitney's U; ties half."""
    n_positive, n_rest = int(positive.sum()), int((~positive).sum())
    ranks = rankdata(values, axis=0)[positive].sum(axis=0)
    return (ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_rest)


def auroc_interval(value: float, n_positive: int, n_rest: int) -> tuple[float, float]:
    """95 % interval of an AUROC, whose width depends on the number of patients, also at AUROC 1.

    Method 5 of Newcombe, Stat Med 25:559 (2006), doi 10.1002/sim.2324: the AUROCs from which the
    value differs by 1.96 of their own standard errors (Hanley and McNeil).
    """
    if np.isnan(value):
        return float("nan"), float("nan")
    z, n_star = norm.ppf(0.5 + _COVERAGE / 2), (n_positive + n_rest) / 2 - 1

    def excess(area: float) -> float:
        spread = 1 + n_star * (1 - area) / (2 - area) + n_star * area / (1 + area)
        variance = area * (1 - area) * spread / (n_positive * n_rest)
        return float(abs(area - value) - z * np.sqrt(variance))

    low = 0.0 if value < _EDGE else brentq(excess, 0.0, min(value, 1.0 - _EDGE))
    high = 1.0 if value > 1.0 - _EDGE else brentq(excess, max(value, _EDGE), 1.0)
    return float(low), float(high)


def chance_range(draws: Float[np.ndarray, " P"]) -> tuple[float, float]:
    """Range that holds 95 % of further draws, from few draws of a share in 0..1.

    Percentiles of five draws would leave out one new draw in three. So it is the mean with t times
    the deviation and sqrt(1 + 1/P), as for one new value of a normal variable.
    """
    n_draws = len(draws)
    reach = t.ppf(0.5 + _COVERAGE / 2, n_draws - 1) * np.sqrt(1 + 1 / n_draws)
    width = float(reach * draws.std(ddof=1))
    return max(0.0, float(draws.mean()) - width), min(1.0, float(draws.mean()) + width)


def rank_sum_range(n_positive: int, n_rest: int) -> tuple[float, float]:
    """Middle 95 % of the AUROC of an unrelated gene."""
    deviation = np.sqrt((n_positive + n_rest + 1) / (12 * n_positive * n_rest))
    reach = float(norm.ppf(0.5 + _COVERAGE / 2) * deviation)
    return max(0.0, 0.5 - reach), min(1.0, 0.5 + reach)
