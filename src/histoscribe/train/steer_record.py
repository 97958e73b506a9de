"""What steered a training, epoch by epoch, as it is saved with the network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histoscribe.models.inner_validation import known_scores
from histoscribe.predictor.steering_curve import MAIN, STEERING
from histoscribe.train.steer_settings import SteerSettings


def steer_record(settings: SteerSettings, epochs: Sequence[Tensor]) -> dict[str, Any]:
    """Mean loss of each epoch and share of the gradient, by loss; nothing without concepts.

    A share is that of the root of the summed squares of the gradient at the representation, after
    its weight, among those of all losses. That of a concept to unlearn is that of the reversed
    gradient.
    """
    if not settings.is_used or not epochs:
        return {}
    squares, totals, counts = torch.stack(list(epochs)).numpy().transpose(1, 0, 2)
    sizes = np.sqrt(squares)
    with np.errstate(invalid="ignore", divide="ignore"):
        shares = sizes / sizes.sum(axis=1, keepdims=True)
        losses = totals / counts
    names = (MAIN, *settings.learn, *settings.unlearn)
    return {
        STEERING: {
            name: {
                "aim": _aim(settings, name),
                "loss": known_scores(losses[:, column]),
                "share": known_scores(shares[:, column]),
            }
            for column, name in enumerate(names)
        }
    }


def _aim(settings: SteerSettings, name: str) -> str:
    if name == MAIN:
        return "main"
    return "learn" if name in settings.learn else "unlearn"
