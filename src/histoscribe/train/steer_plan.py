"""What steers a training: each concept with its aim, its labels and its weight."""

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
from jaxtyping import Int

from histoscribe.data.items.items import Items
from histoscribe.train.steer_settings import CLASSES, SteerSettings, parts_of
from histoscribe.types import Labels

Aim = Literal["learn", "unlearn"]
_READ_AT_ONCE = 1024  # items whose labels are in memory


@final
@dataclass(frozen=True)
class SteeredConcept:
    """One concept of a training."""

    name: str
    aim: Aim
    weight: float
    columns: tuple[int, ...] = ()
    """Of `Labels.concept`; none for classes."""
    n_classes: int = 0
    """0 for measures."""


def steer_plan(
    settings: SteerSettings, items: Items, rows: Int[np.ndarray, " n"]
) -> tuple[SteeredConcept, ...]:
    """The concepts of a training on these items, those to learn first; empty without any."""
    measures = list(settings.measures)
    return tuple(
        SteeredConcept(
            name,
            aim,
            weight,
            columns=tuple(measures.index(part) for part in parts_of(name)),
            n_classes=_n_classes(name, items, rows) if name in CLASSES else 0,
        )
        for aim, names, weight in _aims(settings)
        for name in names
    )


def _aims(settings: SteerSettings) -> tuple[tuple[Aim, tuple[str, ...], float], ...]:
    return (
        ("learn", settings.learn, settings.learn_weight),
        ("unlearn", settings.unlearn, settings.unlearn_weight),
    )


def _n_classes(name: str, items: Items, rows: Int[np.ndarray, " n"]) -> int:
    """One more than the largest code of these items."""
    largest = 0
    for start in range(0, len(rows), _READ_AT_ONCE):
        codes = class_codes(name, items.labels(rows[start : start + _READ_AT_ONCE]))
        largest = max(largest, int(codes.max()))
    return largest + 1


def class_codes(name: str, labels: Labels) -> Int[np.ndarray, " B"]:
    """Code of the class of each item; -1 for an unknown one."""
    codes = labels.patient if name == "patient" else labels.site
    return np.full(len(labels.target), -1) if codes is None else codes.numpy()
