"""Correlation over spots and genes as bars of its three parts."""

from collections.abc import Iterator
from dataclasses import dataclass

from histoscribe.report.line_chart import Axis, Tick, axis
from histoscribe.report.run import Run
from histoscribe.report.summary import models_of
from histoscribe.report.text import number
from histoscribe.types import ScorePartsCard

PART_NAMES = ("gene means", "depth", "rest within genes")


@dataclass(frozen=True)
class Segment:
    """One part of a bar; places are per cent of the width."""

    part: int
    """Place of the part in `PART_NAMES`."""
    place: float
    width: float
    words: str


@dataclass(frozen=True)
class PartBar:
    """Bar of one model: parts above zero to the right of it, those below to the left."""

    model: str
    numbers: tuple[str, ...]
    """Correlation, then its parts."""
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class PartChart:
    """Bars of all models with axis ticks."""

    bars: tuple[PartBar, ...]
    ticks: tuple[Tick, ...]


def part_chart(run: Run) -> PartChart | None:
    """Bars of the models, ordered as in the table; None for a run of an older version."""
    # the table's order: JSON sorts its keys
    parts = {name: run.card.parts[name] for name in models_of(run) if name in run.card.parts}
    if not parts:
        return None
    ends = [end for card in parts.values() for end in _ends(card)]
    scale = axis(ends, 0.0, 100.0)
    bars = tuple(
        PartBar(model, _numbers(card), tuple(_segments(card, scale)))
        for model, card in parts.items()
    )
    return PartChart(bars, scale.ticks())


def _parts(card: ScorePartsCard) -> tuple[float, float, float]:
    return card.gene_means, card.depth, card.rest


def _ends(card: ScorePartsCard) -> tuple[float, float]:
    """Both ends of a bar."""
    parts = _parts(card)
    return sum(min(part, 0.0) for part in parts), sum(max(part, 0.0) for part in parts)


def _numbers(card: ScorePartsCard) -> tuple[str, ...]:
    return tuple(number(value) for value in (card.correlation, *_parts(card)))


def _segments(card: ScorePartsCard, scale: Axis) -> Iterator[Segment]:
    left = right = 0.0
    for place, part in enumerate(_parts(card)):
        if part < 0:
            left, low, high = left + part, left + part, left
        else:
            right, low, high = right + part, right, right + part
        width = round(scale.px(high) - scale.px(low), 1)
        yield Segment(place, scale.px(low), width, f"{PART_NAMES[place]} {number(part)}")
