"""One prediction beside what was measured: scores and maps."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.benchmark.score import truth_at
from histoscribe.data.target import Target
from histoscribe.errors import DataContractError, Problem
from histoscribe.metrics.registry import METRICS, GeneMetric
from histoscribe.plot.dot_map import DotMap
from histoscribe.plot.prediction_map import gene_columns, other_spots, placed, prediction_map
from histoscribe.predictor.predictor import Predictor
from histoscribe.progress import track
from histoscribe.types import Prediction, Section, Slide

_MOST_MAPS = 4


def score_section(
    prediction: Prediction, section: Section, predictor: Predictor | Target
) -> pd.DataFrame:
    """Score a prediction against the counts of its section.

    Scores are of one section, so they say nothing of other patients; of a section that the model
    was trained on they say nothing at all. Spots whose values are masked (NaN) are left out: give
    `keep_unlike=True` to the predictor to score all of them.

    Parameters
    ----------
    prediction
        Predicted expression of the spots of the section.
    section
        The same spots, with counts.
    predictor
        The predictor that made the prediction, or its target: counts are brought to its unit.

    Returns
    -------
    One row a gene and one column a metric. A score is NaN where it is undefined, e.g. where the
    gene was not measured or is constant.

    Raises
    ------
    DataContractError
        where spots or genes differ, for a section without counts, and for a prediction whose
        values are all masked.

    Examples
    --------
    >>> import histoscribe as hs
    >>> predictor = hs.load_predictor("ridge")  # doctest: +SKIP
    >>> section = hs.read_cohort("cohort.csv")["S1"]  # doctest: +SKIP
    >>> hs.score_section(predictor(section), section, predictor)["pcc"].median()  # doctest: +SKIP
    """
    target = predictor.target if isinstance(predictor, Predictor) else predictor
    if problems := _mismatches(prediction, section, target):
        raise DataContractError(problems)
    given = np.flatnonzero(np.isfinite(prediction.values).all(axis=1))
    evaluated = truth_at(section, given, target).with_prediction(prediction.values[given])
    columns = {
        metric.id: metric.of(evaluated)
        for metric in METRICS.values()
        if isinstance(metric, GeneMetric)
    }
    return pd.DataFrame(columns, index=pd.Index(prediction.genes, name="gene"))


def maps_of_genes(
    prediction: Prediction,
    section: Section | Slide | str | Path | None,
    genes: Sequence[str],
    predictor: Predictor | Target | None,
    *,
    tissue: bool,
) -> dict[str, DotMap]:
    """Map of each gene by its id; with a predictor and counts, beside what was measured.

    Without genes these are the four whose predicted values vary most.

    Raises
    ------
    DataContractError
        for genes that were not predicted, and where the spots of the section differ.
    """
    columns = gene_columns(prediction, genes) if genes else _most_varying(prediction)
    at = placed(prediction, section)
    measured = None
    if predictor is not None and at.counts is not None:
        target = predictor.target if isinstance(predictor, Predictor) else predictor
        if problems := _mismatches(prediction, at, target):
            raise DataContractError(problems)
        measured = target.apply(at).astype(np.float64)
    return {
        prediction.genes[column]: prediction_map(
            prediction,
            at,
            column,
            None if measured is None else measured[:, column],
            tissue=tissue,
        )
        for column in track(columns, "maps")
    }


def _most_varying(prediction: Prediction) -> list[int]:
    given = np.isfinite(prediction.values).all(axis=1)
    n_genes = len(prediction.genes)
    spread = prediction.values[given].std(axis=0) if given.any() else np.zeros(n_genes)
    return [int(column) for column in np.argsort(-spread, kind="stable")[:_MOST_MAPS]]


def _mismatches(prediction: Prediction, section: Section, target: Target) -> list[Problem]:
    where = f"section {section.id}"
    problems = []
    if not np.isfinite(prediction.values).all(axis=1).any():
        problems.append(
            Problem(
                where=where,
                found="no spot with a value: all are beyond the training tissue, or not predicted",
                expected="a prediction with values",
                remedy="predict it with keep_unlike=True to score tissue unlike the training",
            )
        )
    if section.counts is None:
        problems.append(
            Problem(where, "no counts", "a section that was measured", "give one with counts")
        )
    if section.spots.ids != prediction.spots.ids:
        problems.append(other_spots(prediction, section))
    if target.genes != prediction.genes:
        found = f"a prediction of {len(prediction.genes)} other genes"
        expected = f"the {len(target.genes)} genes of the predictor, in its order"
        problems.append(Problem(where, found, expected, "give the predictor that predicted it"))
    return problems
