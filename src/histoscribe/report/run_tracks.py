"""Scores of several runs on one axis: a track a model and run, with a dot a patient."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from histoscribe.report.line_chart import Axis, Tick, axis
from histoscribe.report.patients import patient_means
from histoscribe.report.run import Run
from histoscribe.report.summary import REFERENCE_ROWS, models_of, score
from histoscribe.report.text import number

_ENDS = (0.0, 100.0)  # places are per cent of the width
SHUFFLED = "shuffled"


@dataclass(frozen=True)
class Dot:
    """One value: axis place, and words."""

    place: float
    words: str


@dataclass(frozen=True)
class Span:
    """A range on the axis."""

    place: float
    width: float
    words: str


@dataclass(frozen=True)
class RunTrack:
    """One model in one run; without a mean, the run has no such model."""

    run: int
    """Place of the run, which decides its colour."""
    mean: Dot | None
    patients: tuple[Dot, ...]
    interval: Span | None
    """95 % interval over patients, from five patients on."""
    band: Span | None
    """Where 95 of 100 shuffled runs lie."""


@dataclass(frozen=True)
class TrackChart:
    """Tracks of one metric with axis ticks."""

    metric: str
    rows: tuple[tuple[str, tuple[RunTrack, ...]], ...]
    """Model, and its track in each run."""
    ticks: tuple[Tick, ...]


def track_chart(runs: Sequence[Run], metric: str) -> TrackChart:
    """Tracks of every model, ordered as runs list models."""
    patients = [patient_means(run, metric) for run in runs]
    scale = axis(list(_values(runs, patients, metric)), *_ENDS)
    names = dict.fromkeys(name for run in runs for name in models_of(run))
    rows = tuple(
        (name, tuple(_tracks(runs, patients, (name, metric), scale)))
        for name in names
        if name not in REFERENCE_ROWS
    )
    return TrackChart(metric, rows, scale.ticks())


Patients = Sequence[dict[str, dict[str, float]]]
"""For each run, model -> patient -> mean."""


def _values(runs: Sequence[Run], patients: Patients, metric: str) -> Iterator[float]:
    yield 0.0
    for run, of_run in zip(runs, patients, strict=True):
        for name in models_of(run):
            if name in REFERENCE_ROWS and name != SHUFFLED:
                continue
            own = score(run, name, metric)
            of_model = of_run.get(name, {}).values()
            yield from (v for v in (own.mean, own.low, own.high, *of_model) if math.isfinite(v))


def _tracks(
    runs: Sequence[Run], patients: Patients, what: tuple[str, str], scale: Axis
) -> Iterator[RunTrack]:
    model, metric = what
    for place, (run, of_run) in enumerate(zip(runs, patients, strict=True)):
        total, chance = score(run, model, metric), score(run, SHUFFLED, metric)
        of_model = of_run.get(model, {})
        yield RunTrack(
            run=place,
            mean=_dot("mean", total.mean, scale) if math.isfinite(total.mean) else None,
            patients=tuple(
                _dot(f"patient {patient}", value, scale)
                for patient, value in of_model.items()
                if math.isfinite(value)
            ),
            interval=_span("95 % interval", total.low, total.high, scale),
            band=_span("by chance", chance.low, chance.high, scale),
        )


def _dot(name: str, value: float, scale: Axis) -> Dot:
    return Dot(scale.px(value), f"{name} {number(value)}")


def _span(name: str, low: float, high: float, scale: Axis) -> Span | None:
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    width = round(scale.px(high) - scale.px(low), 1)
    return Span(scale.px(low), width, f"{name} {number(low)} to {number(high)}")
