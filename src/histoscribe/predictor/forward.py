"""Predicting with a network, a batch at a time."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from histoscribe.data.items.spots import Batch, SpotItems
from histoscribe.models.base import ExpressionModel
from histoscribe.precision import whole_convolutions

_TILES = 64  # spots at once where tiles are looked at
_SPOTS = 4096  # spots at once where they are not


def predict_rows(
    model: ExpressionModel, seen: SpotItems, rows: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N G"]:
    """Predict in eval mode without gradients, and leave the model in the mode it was in."""
    return _by_batches(model, seen, rows, lambda inputs: model(**inputs).expression)


def represent_rows(
    model: ExpressionModel, seen: SpotItems, rows: Int[np.ndarray, " N"]
) -> Float[np.ndarray, "N R"]:
    """What the last layer reads of these spots, under the same conditions."""
    return _by_batches(model, seen, rows, lambda inputs: model.represent(**inputs))


def _by_batches(
    model: ExpressionModel,
    seen: SpotItems,
    rows: Int[np.ndarray, " N"],
    ask: Callable[[Batch], Float[Tensor, "b _"]],
) -> Float[np.ndarray, "N _"]:
    device = next(model.parameters()).device
    names = model.inputs(model.config)
    at_once = _TILES if "image" in names else _SPOTS
    was_training = model.training
    model.eval()
    parts = []
    with torch.no_grad(), whole_convolutions(device):
        for start in range(0, len(rows), at_once):
            batch = seen.batch(names, rows[start : start + at_once])
            inputs = {name: value.to(device) for name, value in batch.items()}
            parts.append(ask(inputs).float().cpu())
    model.train(was_training)
    return torch.cat(parts).numpy()
