"""Predict with a network, a batch at a time."""

from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from histoscribe.data.items.items import Batch, Items
from histoscribe.data.items.limited_bags import limited
from histoscribe.data.items.runs import RunItems
from histoscribe.models.base import ExpressionModel
from histoscribe.precision import (
    ALIKE,
    Precision,
    least_cosine,
    mixed,
    offered,
    whole_convolutions,
)
from histoscribe.transfer import moved_batch, one_later, pinned_batch, read_ahead
from histoscribe.types import Output
from histoscribe.types.prediction import LAYERS

Rows = Int[np.ndarray, " n"]
Columns = Mapping[str, Float[np.ndarray, "M _"]]
"""Name -> columns of each spot, or of each item."""
_EXPRESSION = "expression"


@dataclass(frozen=True, eq=False)
class ItemPrediction:
    """What a network predicts of the spots of items, or of items with one prediction each."""

    expression: Float[np.ndarray, "M G"]
    heads: Columns
    """Further outputs of the network, by name."""
    layers: Columns
    """Of a model of counts: `deviation` of each gene, and `zero_inflation` if it has any."""


def predict_items(
    model: ExpressionModel, items: Items, rows: Rows, precision: Precision = "float32"
) -> ItemPrediction:
    """Predict these items in eval mode without gradients; the model's mode is restored.

    Returns
    -------
    One row for each of `items.spots(rows)`, in that order; one row per item if there are no
    predictions for spots.
    """
    items = limited(items, model.tile_limit(model.config))

    def ask(inputs: Batch) -> dict[str, Float[Tensor, "*b _"]]:
        with mixed(next(model.parameters()).device, precision):
            output: Output = model(**inputs)
        return _parts(output.float())

    columns = _by_batches(model, items, rows, ask)
    layers = {name: columns.pop(name) for name in LAYERS if name in columns}
    return ItemPrediction(columns.pop(_EXPRESSION), columns, layers)


def agreed_precision(
    model: ExpressionModel, items: Items, rows: Rows, precision: Precision
) -> Precision:
    """Precision in which a network predicts: bfloat16 on a GPU, where tiles give the same values.

    It is tried on the first batch of these items, by the difference of each spot from their mean: a
    single spot has none, and stays in float32. Networks that read no tiles stay in float32:
    they are small, and gain nothing.
    """
    names = model.inputs(model.config)
    tried = offered(precision, next(model.parameters()).device)
    if tried == "float32" or "image" not in names:
        return "float32"
    first = rows[: items.at_once(names)]

    whole = predict_items(model, items, first).expression
    centre = whole.mean(axis=0)  # genes differ more than spots, and would hide every difference

    def values(kind: Precision) -> Float[Tensor, "B G"]:
        in_half = kind == "bfloat16"
        found = predict_items(model, items, first, kind).expression if in_half else whole
        return torch.from_numpy(found - centre)

    return tried if least_cosine(values) > ALIKE else "float32"


def predict_spots(
    model: ExpressionModel, items: Items, precision: Precision = "float32"
) -> ItemPrediction:
    """Predict every spot of the items' table, in the order of its rows."""
    predicted = predict_items(model, items, np.arange(len(items)), precision)
    spots = _spots(items)
    heads = {name: _in_rows(spots, values) for name, values in predicted.heads.items()}
    layers = {name: _in_rows(spots, values) for name, values in predicted.layers.items()}
    return ItemPrediction(_in_rows(spots, predicted.expression), heads, layers)


def represent_spots(model: ExpressionModel, items: Items) -> Float[np.ndarray, "N R"]:
    """Input of the last layer for every spot, under the same conditions."""
    name = "representation"
    columns = _by_batches(
        model, items, np.arange(len(items)), lambda inputs: {name: model.represent(**inputs)}
    )
    return _in_rows(_spots(items), columns[name])


def evidence_of_spots(model: ExpressionModel, items: RunItems) -> Columns:
    """Evidence of every spot within its item, by name, in the order of the rows of the table.

    Empty for a model without evidence.
    """
    columns = _by_batches(
        model,
        items,
        np.arange(len(items)),
        # [B, K] has one column per spot, [B, K, ...] several
        lambda inputs: {
            name: value.reshape(*value.shape[:2], -1)
            for name, value in model.evidence(**inputs).items()
        },
    )
    spots = np.concatenate(items.runs)
    return {name: _in_rows(spots, values) for name, values in columns.items()}


def _parts(output: Output) -> dict[str, Float[Tensor, "*b _"]]:
    parts = {_EXPRESSION: output.expression, **output.heads}
    if output.counts is not None:
        parts["deviation"] = output.counts.deviation
        if output.counts.zero_inflation is not None:
            parts["zero_inflation"] = output.counts.zero_inflation
    return parts


def _spots(items: Items) -> Int[np.ndarray, " N"]:
    """Rows of the table in the order of their predictions."""
    spots = items.spots(np.arange(len(items)))
    if spots is None:
        raise ValueError("these items have no predictions for spots")
    return spots


def _in_rows(
    spots: Int[np.ndarray, " N"], values: Float[np.ndarray, "N _"]
) -> Float[np.ndarray, "N _"]:
    """Sort values of spots into table rows."""
    ordered = np.empty_like(values)
    ordered[spots] = values
    return ordered


def _by_batches(
    model: ExpressionModel,
    items: Items,
    rows: Rows,
    ask: Callable[[Batch], Mapping[str, Float[Tensor, "*b _"]]],
) -> dict[str, Float[np.ndarray, "M _"]]:
    """Answers of the model by name, for these items; without the rows of padding."""
    device = next(model.parameters()).device
    names = model.inputs(model.config)
    at_once = items.at_once(names)
    batches = [rows[start : start + at_once] for start in range(0, len(rows), at_once)]
    was_training = model.training
    model.eval()
    parts: dict[str, list[Tensor]] = {}
    with (
        torch.no_grad(),
        whole_convolutions(device),
        closing(
            read_ahead(lambda some: pinned_batch(items.inputs(names, some), device), batches)
        ) as inputs,
    ):
        answers = (ask(moved_batch(batch, device)) for batch in inputs)
        for some, answered in zip(batches, one_later(answers), strict=True):
            for name, value in answered.items():
                answer = value.float().cpu()
                if answer.ndim == 3:  # spots of each item, and padding
                    answer = answer[items.inputs(("present",), some)["present"]]
                parts.setdefault(name, []).append(answer)
    model.train(was_training)
    return {name: torch.cat(values).numpy() for name, values in parts.items()}
