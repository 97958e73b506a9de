"""Heads of the concepts of a training, made for the representation of its network."""

import torch
from jaxtyping import Float
from torch import Tensor

from histoscribe.data.items.kinds import Sides
from histoscribe.errors import DataContractError
from histoscribe.models.base import ExpressionModel
from histoscribe.seed import integer
from histoscribe.train.settings import RunSettings
from histoscribe.train.steer_checks import not_learned
from histoscribe.train.steer_plan import steer_plan
from histoscribe.train.steering import Steering
from histoscribe.transfer import moved_batch

_N_ITEMS = 64  # for center and scale of the representation; the batch size decides nothing


def start_steering(
    model: ExpressionModel, sides: Sides, settings: RunSettings, device: torch.device
) -> Steering | None:
    """Make the heads of a training; None without concepts.

    Nothing is drawn from the stream of the network, and its running statistics stay.

    Raises
    ------
    DataContractError
        for a network without weights before its representation.
    """
    plan = steer_plan(settings.steer, sides.items, sides.fit)
    if not plan:
        return None
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(integer(settings.seed, "steer"))
        if not _is_learned(model, sides, device):
            raise DataContractError(not_learned(model.name))
        representation = _first_representation(model, sides, settings, device)
        return Steering(plan, representation.cpu()).to(device)


def _is_learned(model: ExpressionModel, sides: Sides, device: torch.device) -> bool:
    """Whether the representation depends on any weight of the network."""
    was_training = model.training
    batch = sides.items.inputs(model.inputs(model.config), sides.fit[:1])
    learned = model.eval().represent(**moved_batch(batch, device)).requires_grad
    model.train(was_training)
    return bool(learned)


def _first_representation(
    model: ExpressionModel, sides: Sides, settings: RunSettings, device: torch.device
) -> Float[Tensor, "n R"]:
    """Representation of the first training items, as in training, before any step."""
    items, rows = sides.items, sides.fit[:_N_ITEMS]
    most = max(1, settings.train.batch_spots // int(items.n_spots(rows).max()))
    # a large bag is a batch by itself, and one representation has no scale
    last = len(rows) if model.item == "bag" else 1
    buffers = [buffer.clone() for buffer in model.buffers()]
    was_training = model.training
    model.train()
    with torch.no_grad():
        parts = []
        for start in range(0, last, most):
            batch = items.inputs(model.inputs(model.config), rows[start : start + most])
            representation = model.represent(**moved_batch(batch, device))
            parts.append(_without_padding(representation, batch.get("present")))
        for buffer, value in zip(model.buffers(), buffers, strict=True):
            buffer.copy_(value)
    model.train(was_training)
    return torch.cat(parts)


def _without_padding(
    representation: Float[Tensor, "*B R"], present: Tensor | None
) -> Float[Tensor, "n R"]:
    if present is None or present.shape != representation.shape[:-1]:
        return representation.flatten(0, -2)
    return representation[present.to(representation.device)]
