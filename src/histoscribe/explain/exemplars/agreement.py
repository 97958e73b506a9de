"""The numbers of `explain exemplars`, each beside what it must be held against."""

from collections import Counter

import numpy as np
from jaxtyping import Float

from histoscribe.explain.exemplars.selection import ExemplarSelection
from histoscribe.explain.exemplars.swaps import N_SWAPS, Leaning
from histoscribe.explain.finding import Number
from histoscribe.metrics.moments import pearson_per_gene

N_NULL = 100
"""Draws of random exemplars that agreement is held against."""

_MOVES = "mean absolute change of the prediction, in its standard deviations over the spots,"
_TIMES = f"mean of {N_SWAPS} draws"
_ALL = "all exemplars are swapped for random ones that the spot may see"
_BRING = "exemplars keep their look and bring the expression of random ones"
_OWN = "the spot keeps its exemplars and is given the look of another spot of the section"
_ANOTHER = "had each spot the prediction of another: the scale of the changes above"

_Numbers = tuple[Number, ...]


def numbers(
    shown: ExemplarSelection, leant: Leaning, measured: Float[np.ndarray, " N"], gene: int
) -> tuple[_Numbers, _Numbers]:
    """The statistic and its null: shares of patients, agreement, and what swapping changes."""
    parts = (_leaning(leant, gene), _agreement(shown, leant, measured, gene), _shares(shown))
    statistic = tuple(number for part, _ in parts for number in part)
    return statistic, tuple(number for _, part in parts for number in part)


def _leaning(leant: Leaning, gene: int) -> tuple[_Numbers, _Numbers]:
    exemplars, own = (leant.in_deviations(c) for c in (leant.exemplars, leant.own_look))
    median = "the same, median over all genes of the predictor"
    statistic = [
        Number("leaning", float(exemplars[gene]), f"{_MOVES} when {_ALL}; {_TIMES}"),
        Number("leaning_median_gene", _median(exemplars), median),
    ]
    if leant.expression is not None:
        expression = float(leant.in_deviations(leant.expression)[gene])
        says = f"{_MOVES} when {_BRING}; {_TIMES}"
        statistic.append(Number("leaning_on_expression", expression, says))
    null = (
        Number("own_look_swapped", float(own[gene]), f"{_MOVES} when {_OWN}; {_TIMES}"),
        Number("own_look_swapped_median_gene", _median(own), median),
        Number("another_spot", float(leant.another_spot[gene]), f"{_MOVES} {_ANOTHER}"),
    )
    return tuple(statistic), null


def _agreement(
    shown: ExemplarSelection, leant: Leaning, measured: Float[np.ndarray, " N"], gene: int
) -> tuple[_Numbers, _Numbers]:
    """Correlations of what the exemplars bring, and of what random ones would."""
    brought = shown.pool.target[:, gene].astype(np.float64)
    own = brought[shown.found.rows].mean(axis=1)[:, None]
    drawn = np.stack([brought[r].mean(axis=1) for r in shown.random(N_NULL, "null")], axis=1)
    truths = {
        "pcc_with_prediction": ("prediction", leant.values[:, gene].astype(np.float64)),
        "pcc_with_measured": ("measured value", measured),
    }
    statistic, null = [], []
    for name, (what, truth) in truths.items():
        says = f"correlation over spots of the exemplars' mean expression with the {what}"
        found, by_chance = _pcc(own, truth), _pcc(drawn, truth)
        statistic.append(Number(name, float(found[0]), says))
        null.append(Number.of_draws(name, by_chance, f"{says}, exemplars drawn at random"))
    return tuple(statistic), tuple(null)


def _shares(shown: ExemplarSelection) -> tuple[_Numbers, _Numbers]:
    """How the exemplars of all spots are shared out over patients, and the pool they come from."""
    pool, of = shown.pool, shown.queries
    start, stop = pool.excluded(of.patient[0], of.section[0], shown.lookup.exclusion)
    eligible = Counter(pool.patient[:start] + pool.patient[stop:])
    used = Counter(np.asarray(pool.patient)[shown.found.rows.ravel()].tolist())
    n_used, n_eligible = shown.found.rows.size, eligible.total()
    statistic, null = [], []
    for patient in sorted(eligible):
        name, whose = f"share_{patient}", f"that are of patient {patient}"
        statistic.append(Number(name, used[patient] / n_used, f"share of exemplars {whose}"))
        says = f"share of the training spots to choose from {whose}"
        null.append(Number(name, eligible[patient] / n_eligible, says))
    return tuple(statistic), tuple(null)


def _pcc(
    brought: Float[np.ndarray, "N M"], truth: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " M"]:
    return pearson_per_gene(brought, np.repeat(truth[:, None], brought.shape[1], axis=1))


def _median(of_genes: Float[np.ndarray, " G"]) -> float:
    """Over the genes whose prediction is not constant; NaN where all are."""
    known = of_genes[~np.isnan(of_genes)]
    return float(np.median(known)) if known.size else float("nan")
