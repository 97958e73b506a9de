"""Predict with a network, a batch at a time."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from histoscribe.data.items.items import Batch, Items
from histoscribe.models.base import ExpressionModel
from histoscribe.precision import whole_convolutions


def predict_items(
    model: ExpressionModel, items: Items, rows: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "M G"]:
    """Predict these items in eval mode without gradients; the model's mode is restored.

    Returns
    -------
    One row for each of `items.spots(rows)`, in that order; one row per item if there are no
    predictions for spots.
    """
    return _by_batches(model, items, rows, lambda inputs: model(**inputs).expression)


def predict_spots(model: ExpressionModel, items: Items) -> Float[np.ndarray, "N G"]:
    """Predict every spot of the items' table, in the order of its rows."""
    return _by_spot(items, predict_items(model, items, np.arange(len(items))))


def represent_spots(model: ExpressionModel, items: Items) -> Float[np.ndarray, "N R"]:
    """Input of the last layer for every spot, under the same conditions."""
    every = np.arange(len(items))
    read = _by_batches(model, items, every, lambda inputs: model.represent(**inputs))
    return _by_spot(items, read)


def _by_spot(items: Items, values: Float[np.ndarray, "M _"]) -> Float[np.ndarray, "N _"]:
    spots = items.spots(np.arange(len(items)))
    if spots is None:
        raise ValueError("these items have no predictions for spots")
    ordered = np.empty_like(values)
    ordered[spots] = values
    return ordered


def _by_batches(
    model: ExpressionModel,
    items: Items,
    rows: Int[np.ndarray, " n"],
    ask: Callable[[Batch], Float[Tensor, "*b _"]],
) -> Float[np.ndarray, "M _"]:
    device = next(model.parameters()).device
    names = model.inputs(model.config)
    at_once = items.at_once(names)
    was_training = model.training
    model.eval()
    parts = []
    with torch.no_grad(), whole_convolutions(device):
        for start in range(0, len(rows), at_once):
            some = rows[start : start + at_once]
            inputs = {name: value.to(device) for name, value in items.inputs(names, some).items()}
            answer = ask(inputs).float().cpu()
            if answer.ndim == 3:  # spots of each item, and padding
                answer = answer[items.inputs(("present",), some)["present"]]
            parts.append(answer)
    model.train(was_training)
    return torch.cat(parts).numpy()
