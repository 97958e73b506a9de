"""The figures of `faults`: errors by class, and known facts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from histoscribe.explain.faults.class_errors import ClassErrors
from histoscribe.explain.faults.held_out import LAST_LAYER
from histoscribe.explain.faults.knowledge import KnownFact
from histoscribe.plot.class_errors import (
    ClassLine,
    ClassPanel,
    FactLine,
    draw_class_errors,
    draw_fact_lines,
)

MOST_LINES = 12
"""Classes of a division in the figure, those with the largest errors; the table has all."""


def draw_errors(errors: Sequence[ClassErrors], title: str, path: Path) -> None:
    """Draw a panel for each division, with the number of training spots of each class."""
    draw_class_errors([_panel(of) for of in errors], title, path)


def draw_knowledge(known: Sequence[KnownFact], title: str, path: Path) -> None:
    """Draw a line for each fact and representation, over the range by chance."""
    lines = []
    for fact in known:
        value, chance = fact.number()
        low, high = chance.low, chance.high
        words = f"{fact.units.fact}, {fact.source}"
        span = None if low is None or high is None else (low, high)
        lines.append(
            FactLine(words, value.value, chance.value, span, strong=fact.source == LAST_LAYER)
        )
    draw_fact_lines(lines, title, path)


def _panel(of: ClassErrors) -> ClassPanel:
    numbers = [at for at in range(len(of.classes.classes)) if np.isfinite(of.error[at])]
    title = of.classes.name
    if len(numbers) > MOST_LINES:
        numbers = sorted(numbers, key=lambda at: -of.error[at])[:MOST_LINES]
        title = f"{title}: the {MOST_LINES} largest of {len(of.classes.classes)}"
    return ClassPanel(title, tuple(_line(of, at) for at in numbers))


def _line(of: ClassErrors, at: int) -> ClassLine:
    classes = of.classes
    name = classes.classes[at]
    known = of.of_patient[:, at]
    span = None
    if of.draws is not None and np.isfinite(of.draws[:, at]).all():
        low, high = np.percentile(of.draws[:, at], [2.5, 97.5])
        span = (float(low), float(high))
    training = ""
    if classes.training is not None:
        training = f"{classes.training.get(name, 0):,} in training"
    return ClassLine(
        name=name,
        error=float(of.error[at]),
        of_patients=known[np.isfinite(known)],
        chance=span,
        words=f"{int((classes.code == at).sum()):,} spots" + (f"; {training}" if training else ""),
        strong=name in of.under_represented,
    )
