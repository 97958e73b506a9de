"""Numbers of the question `exemplars`, each with values for comparison."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from histoscribe.explain.exemplars.selection import ExemplarSelection
from histoscribe.explain.exemplars.swaps import N_SWAPS, Leaning
from histoscribe.explain.finding import Number
from histoscribe.metrics.moments import pearson_per_gene
from histoscribe.seed import stream

N_NULL = 100
"""Random orders of the expression of the training spots that agreement is compared with."""

_CHANGE = "mean absolute change of the prediction, in its standard deviations over the spots,"
_DRAWS = f"mean of {N_SWAPS} draws"
_ALL = "when all exemplars are swapped for random ones that the spot may have"
_EXPRESSION = "when exemplars keep their features and take the expression of random ones"
_LOOK = (
    "when the spot keeps its exemplars and takes tile and feature of another spot of the section"
)
_ANOTHER = "if each spot had the prediction of another spot: the scale of the changes above"
_EXCHANGED = "expression exchanged among the training spots"
_MEDIAN = "the same, median over all genes of the predictor"

_Numbers = tuple[Number, ...]


def numbers(
    selection: ExemplarSelection, swaps: Leaning, measured: Float[np.ndarray, " N"], gene: int
) -> tuple[_Numbers, _Numbers]:
    """The statistic and its null: what swaps change, agreement, and shares of patients."""
    parts = (
        _leaning(swaps, gene),
        _agreement(selection, swaps, measured, gene),
        _shares(selection),
    )
    statistic = tuple(number for part, _ in parts for number in part)
    return statistic, tuple(number for _, part in parts for number in part)


def _leaning(swaps: Leaning, gene: int) -> tuple[_Numbers, _Numbers]:
    exemplars, tissue = (swaps.in_deviations(c) for c in (swaps.exemplars, swaps.tissue))
    statistic = [
        Number("leaning", float(exemplars[gene]), f"{_CHANGE} {_ALL}; {_DRAWS}"),
        Number("leaning_median_gene", _median(exemplars), _MEDIAN),
    ]
    if swaps.expression is not None:
        expression = float(swaps.in_deviations(swaps.expression)[gene])
        meaning = f"{_CHANGE} {_EXPRESSION}; {_DRAWS}"
        statistic.append(Number("leaning_on_expression", expression, meaning))
    null = (
        Number("own_look_swapped", float(tissue[gene]), f"{_CHANGE} {_LOOK}; {_DRAWS}"),
        Number("own_look_swapped_median_gene", _median(tissue), _MEDIAN),
        Number("another_spot", float(swaps.another_spot[gene]), f"{_CHANGE} {_ANOTHER}"),
    )
    return tuple(statistic), null


def _agreement(
    selection: ExemplarSelection, swaps: Leaning, measured: Float[np.ndarray, " N"], gene: int
) -> tuple[_Numbers, _Numbers]:
    """Correlations of the exemplars' expression, and with the expression of other spots.

    Spots that look alike share exemplars, in the draws as in truth: spots with exemplars of their
    own each would agree less by chance.
    """
    expression = selection.pool.target[:, gene].astype(np.float64)
    rows = selection.retrieved.rows
    mean = expression[rows].mean(axis=1)[:, None]
    draws = [exchanged[rows].mean(axis=1) for exchanged in _exchanged(selection, expression)]
    random_means = np.stack(draws, axis=1)
    truths = {
        "pcc_with_prediction": ("prediction", swaps.prediction[:, gene].astype(np.float64)),
        "pcc_with_measured": ("measured value", measured),
    }
    statistic, null = [], []
    for name, (what, truth) in truths.items():
        meaning = f"correlation over spots of the exemplars' mean expression with the {what}"
        statistic.append(Number(name, float(_pcc(mean, truth)[0]), meaning))
        by_chance = _pcc(random_means, truth)
        null.append(Number.of_draws(name, by_chance, f"{meaning}, {_EXCHANGED}"))
    return tuple(statistic), tuple(null)


def _shares(selection: ExemplarSelection) -> tuple[_Numbers, _Numbers]:
    """Share of each patient in the exemplars, and in the eligible training spots."""
    patients = selection.pool.keys.patient_names
    eligible = Counter(patients[_eligible(selection)].tolist())
    used = Counter(patients[selection.retrieved.rows.ravel()].tolist())
    n_used, n_eligible = selection.retrieved.rows.size, eligible.total()
    statistic, null = [], []
    for patient in sorted(eligible):
        name, whose = f"share_{patient}", f"that are of patient {patient}"
        statistic.append(Number(name, used[patient] / n_used, f"share of exemplars {whose}"))
        meaning = f"share of the training spots to choose from {whose}"
        null.append(Number(name, eligible[patient] / n_eligible, meaning))
    return tuple(statistic), tuple(null)


def _eligible(selection: ExemplarSelection) -> Int[np.ndarray, " n"]:
    """Training spots that the spots of the section may have as exemplars."""
    ((section, owner, _),) = selection.queries.keys.by_section()
    start, stop = selection.pool.excluded(owner, section, selection.lookup.exclusion)
    every = np.arange(len(selection.pool.target))
    return np.concatenate([every[:start], every[stop:]])


def _exchanged(
    selection: ExemplarSelection, expression: Float[np.ndarray, " pool"]
) -> Iterator[Float[np.ndarray, " pool"]]:
    """The expression of the training spots in random orders."""
    eligible, random = _eligible(selection), stream(selection.lookup.seed, "explain-exchanged")
    for _ in range(N_NULL):
        exchanged = expression.copy()
        exchanged[eligible] = random.permutation(expression[eligible])
        yield exchanged


def _pcc(
    expression: Float[np.ndarray, "N M"], truth: Float[np.ndarray, " N"]
) -> Float[np.ndarray, " M"]:
    return pearson_per_gene(expression, np.repeat(truth[:, None], expression.shape[1], axis=1))


def _median(by_gene: Float[np.ndarray, " G"]) -> float:
    """Median over genes whose prediction varies; NaN if all are constant."""
    known = by_gene[~np.isnan(by_gene)]
    return float(np.median(known)) if known.size else float("nan")
