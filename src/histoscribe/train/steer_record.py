"""What steered a training, epoch by epoch, as it is saved with the network."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from histoscribe.models.inner_validation import known_scores
from histoscribe.predictor.steering_curve import MAIN, STEERING, mean_shares, side_task_warnings
from histoscribe.train.steer_settings import SteerSettings
from histoscribe.types import SteerCard


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


def steer_warnings(settings: SteerSettings, choice: Mapping[str, Any]) -> tuple[str, ...]:
    """Say which concepts outweighed the genes, and which were never unlearned."""
    return (*side_task_warnings(choice), *_never_unlearned(settings, choice))


def steer_card(settings: SteerSettings, choices: Sequence[Mapping[str, Any]]) -> SteerCard | None:
    """Card of the steering concepts, from what training chose for each network.

    Shares are means over networks, and the warnings are those of all.
    """
    if not settings.is_used:
        return None
    of_each = [mean_shares(choice) for choice in choices]
    names = dict.fromkeys(name for shares in of_each for name in shares)
    return SteerCard(
        **settings.model_dump(),
        shares={
            name: fmean(shares[name] for shares in of_each if name in shares) for name in names
        },
        warnings=_of_all([side_task_warnings(choice) for choice in choices]),
        not_unlearned=_of_all([[*_never_unlearned(settings, choice)] for choice in choices]),
    )


def _of_all(texts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Texts about each network; several networks are numbered."""
    return tuple(
        f"network {number}: {text}" if len(texts) > 1 else text
        for number, part in enumerate(texts, start=1)
        for text in part
    )


def _never_unlearned(settings: SteerSettings, choice: Mapping[str, Any]) -> Iterator[str]:
    shares = mean_shares(choice)
    for name in settings.unlearn:
        if settings.unlearn_weight > 0 and shares.get(name) == 0:
            yield (
                f"the concept {name} was not unlearned: its head was no better than a constant in "
                "every step up to the epoch that is kept; where a batch has one section or bag, "
                "set train.accumulate"
            )


def _aim(settings: SteerSettings, name: str) -> str:
    if name == MAIN:
        return "main"
    return "learn" if name in settings.learn else "unlearn"
