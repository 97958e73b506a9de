"""Predictions of a foreign model, written like those of fitted models."""

from pathlib import Path

from histoscribe.benchmark.foreign.model import ForeignModel
from histoscribe.data.target import Target
from histoscribe.io.predictions.anndata import write_prediction
from histoscribe.predictor.facts import gene_names
from histoscribe.types import Cohort, Fold, Head, Prediction

UNKNOWN = "unknown"
"""Unit of values of which nobody said it."""


def write_foreign(
    model: ForeignModel, cohort: Cohort, fold: Fold, target: Target, section: str, path: Path
) -> None:
    """Write the scored values of one test section."""
    rows = fold.test[section]
    head = Head(
        section=section,
        spots=cohort[section].spots.take(rows),
        genes=target.genes,
        unit=model.unit or UNKNOWN,
        predictor=model.name,
        gene_names=gene_names(cohort, fold.train, target.genes),
    )
    write_prediction(Prediction(head, model.sections[section].take(rows, target.genes)), path)
