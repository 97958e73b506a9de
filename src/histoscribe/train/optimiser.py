"""The optimiser of a network and how its rate moves from step to step."""

import math
from collections.abc import Callable
from typing import Literal

import torch

from histoscribe.models.base import ExpressionModel
from histoscribe.train.config import TrainSettings

_RISING = 100  # steps of warm-up of the warm restarts
_LOWEST = 0.2  # of the rate, at the end of each cycle of the warm restarts
_MOMENTUM = 0.9


def make_optimiser(model: ExpressionModel, settings: TrainSettings) -> torch.optim.Optimizer:
    """Make the optimiser of the model's recipe; the settings give what the recipe leaves open."""
    recipe = model.recipe()
    rate = settings.learning_rate if recipe.learning_rate is None else recipe.learning_rate
    decay = settings.weight_decay if recipe.weight_decay is None else recipe.weight_decay
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(model.parameters(), lr=rate, momentum=_MOMENTUM, weight_decay=decay)
    return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)


def schedule(
    name: Literal["constant", "cosine", "warm-restarts"], n_steps: int, steps_per_epoch: int
) -> Callable[[int], float] | None:
    """Give the factor of the rate at each step (from 0); None where it stays.

    `cosine` falls from 1 to 0 over all steps. `warm-restarts` rises for 100 steps, then falls from
    1 to 0.2 along a half cosine twice an epoch, each time from 1 again.
    """
    if name == "constant":
        return None
    if name == "cosine":
        return lambda step: _cosine(step / n_steps)
    cycle = max(steps_per_epoch // 2, 1)

    def restarts(step: int) -> float:
        if step < _RISING:
            return (step + 1) / _RISING
        return _LOWEST + (1 - _LOWEST) * _cosine((step - _RISING) % cycle / cycle)

    return restarts


def _cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))
