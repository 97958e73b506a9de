"""Score of the validation items, by which the epoch is chosen."""

from typing import Literal

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.items import Items
from histoscribe.models.base import ExpressionModel
from histoscribe.models.inner_validation import validation_score
from histoscribe.precision import Precision
from histoscribe.predictor.forward import agreed_precision, predict_items

FEWEST_BAGS = 8
"""With fewer bags, a correlation over them means nothing: they are scored by squared error."""

Score = Literal["pcc", "minus_mse"]


def score_kind(items: Items, rows: Int[np.ndarray, " n"]) -> Score:
    """Kind of score of these items: `pcc`, or `minus_mse` for few bags."""
    few = items.spots(rows[:1]) is None and len(rows) < FEWEST_BAGS
    return "minus_mse" if few else "pcc"


def validate(
    model: ExpressionModel,
    items: Items,
    rows: Int[np.ndarray, " n"],
    precision: Precision = "float32",
) -> float:
    """Score the predictions of these items; higher is better.

    For items with predictions of spots: Pearson within each section, mean over genes, then over
    sections. For items with one prediction each: Pearson over the items, mean over genes, or minus
    the mean squared error for fewer than 8 items. NaN if nothing is defined. `precision` is that
    of the training; see `agreed_precision`.
    """
    agreed = agreed_precision(model, items, rows, precision)
    predicted, spots = predict_items(model, items, rows, agreed).expression, items.spots(rows)
    measured = measured_values(items, rows)
    if spots is not None:
        return validation_score(predicted, measured, items.keys.section[spots])
    if score_kind(items, rows) == "minus_mse":
        return -float(np.square(predicted - measured).mean(dtype=np.float64))
    return validation_score(predicted, measured, np.zeros(len(rows), dtype=np.int64))


def measured_values(items: Items, rows: Int[np.ndarray, " n"]) -> np.ndarray:
    """Target of each prediction of these items."""
    labels = items.labels(rows)
    if labels.present is None:
        return labels.target.numpy()
    return labels.target[labels.present].numpy()
