"""Optimiser of a network, and its learning rate from step to step."""

import math
from collections.abc import Callable, Sequence

import torch

from histoscribe.models.base import ExpressionModel
from histoscribe.models.recipe import Recipe
from histoscribe.train.settings import TrainSettings

_RISING = 100  # steps from the lowest rate to the highest, in each cycle of the warm restarts
_LOWEST = 0.2  # share of the rate at the end of each cycle of the warm restarts
_MOMENTUM = 0.9


def make_optimiser(model: ExpressionModel, settings: TrainSettings) -> torch.optim.Optimizer:
    """Make the optimiser of the model's recipe; the settings fill in open values."""
    recipe = model.recipe(model.config)
    rate = settings.learning_rate if recipe.learning_rate is None else recipe.learning_rate
    decay = settings.weight_decay if recipe.weight_decay is None else recipe.weight_decay
    if recipe.optimiser == "adamw":
        return torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    if recipe.optimiser == "adam":
        return torch.optim.Adam(model.parameters(), lr=rate)
    return torch.optim.SGD(
        model.parameters(),
        lr=rate,
        momentum=_MOMENTUM,
        weight_decay=decay,
        nesterov=recipe.optimiser == "sgd-nesterov",
    )


def schedule(
    recipe: Recipe, warmup_epochs: int, steps: Sequence[int]
) -> Callable[[int], float] | None:
    """Factor of the learning rate at each step from 0; None for a constant rate.

    `cosine` falls from 1 to 0 over all steps. `warm-restarts` repeats twice per epoch: a rise from
    0.2 to 1 over 100 steps, then half a cosine back to 0.2. `warmup-cosine` rises in equal steps to
    1 over the warm-up epochs, then falls to 0 over all other steps.

    Parameters
    ----------
    warmup_epochs
        That of the run's settings: a recipe without a schedule takes it, and is constant if it is
        0.
    steps
        Number of steps of each epoch.
    """
    name, n_steps = recipe.schedule, sum(steps)
    if name is None:
        name = "warmup-cosine" if warmup_epochs else "constant"
    if name == "constant":
        return None
    if name == "cosine":
        return lambda step: _cosine(step / n_steps)
    if name == "warmup-cosine":
        n_epochs = warmup_epochs if recipe.warmup_epochs is None else recipe.warmup_epochs
        n_rising = sum(steps[:n_epochs])
        return lambda step: _warmup(step, n_rising, n_steps)
    return _warm_restarts(max(n_steps // len(steps) // 2, 1))


def _warmup(step: int, n_rising: int, n_steps: int) -> float:
    if step < n_rising:
        return (step + 1) / n_rising
    return _cosine((step - n_rising) / max(n_steps - n_rising, 1))


def _warm_restarts(cycle: int) -> Callable[[int], float]:
    """Factors as in the released code of EGN; with one rise only if cycles are too short."""

    def restarts(step: int) -> float:
        at = step % cycle
        if at < _RISING:
            return _LOWEST + (1 - _LOWEST) * at / _RISING
        return _LOWEST + (1 - _LOWEST) * _cosine((at - _RISING) / (cycle - _RISING))

    def short(
        step: int,
    ) -> float:  # our choice: the released code refuses fewer than 202 steps per epoch
        if step < _RISING:
            return (step + 1) / _RISING
        return _LOWEST + (1 - _LOWEST) * _cosine((step - _RISING) % cycle / cycle)

    return restarts if cycle > _RISING else short


def _cosine(part: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * min(part, 1.0)))
