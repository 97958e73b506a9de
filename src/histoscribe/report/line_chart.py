"""Lines over a common axis as points of an SVG; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import MaxNLocator

WIDTH, HEIGHT = 420.0, 240.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 12.0, 12.0, 36.0
_N_TICKS = 5


@dataclass(frozen=True)
class Line:
    """One line in the units of the data."""

    name: str
    points: tuple[tuple[float, float], ...]
    mark: float | None
    """Place on the horizontal axis to mark; None for none."""


@dataclass(frozen=True)
class Tick:
    """A tick in px of the chart, with its text."""

    place: float
    text: str


@dataclass(frozen=True)
class DrawnLine:
    """One line in px of the chart."""

    name: str
    points: str
    """As SVG wants them."""
    mark: tuple[float, float] | None


@dataclass(frozen=True)
class LineChart:
    """Lines, ticks and the frame of a chart, in px; y down."""

    lines: tuple[DrawnLine, ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]
    x_name: str
    width: float = WIDTH
    height: float = HEIGHT
    left: float = _LEFT
    bottom: float = HEIGHT - _BOTTOM
    right: float = WIDTH - _RIGHT
    top: float = _TOP


@dataclass(frozen=True)
class Axis:
    """A straight axis from values to px."""

    low: float
    high: float
    start_px: float
    end_px: float

    def px(self, value: float) -> float:
        """Place of a value, rounded to a tenth of a px."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start_px + share * (self.end_px - self.start_px), 1)

    def ticks(self, n_ticks: int = _N_TICKS, *, whole: bool = False) -> tuple[Tick, ...]:
        """Round values inside the axis."""
        values = MaxNLocator(n_ticks, integer=whole).tick_values(self.low, self.high)
        inside = [float(v) for v in values if self.low - 1e-9 <= v <= self.high + 1e-9]
        return tuple(Tick(self.px(v), f"{v:g}".replace("-", "−")) for v in inside)


def axis(values: Sequence[float], start_px: float, end_px: float, margin: float = 0.05) -> Axis:
    """Axis around all values; the margin is a share of their span."""
    low, high = float(np.min(values)), float(np.max(values))
    room = margin * (high - low) or 0.5
    return Axis(low - room, high + room, start_px, end_px)


def line_chart(lines: Sequence[Line], x_name: str, around: Sequence[float] = ()) -> LineChart:
    """Chart of lines over whole numbers, e.g. epochs; the axis spans the values `around`, too."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [*(y for line in lines for _, y in line.points), *around]
    across = axis(xs, _LEFT, WIDTH - _RIGHT, margin=0.02)
    up = axis(ys, HEIGHT - _BOTTOM, _TOP)
    return LineChart(
        tuple(_drawn(line, across, up) for line in lines),
        across.ticks(whole=True),
        up.ticks(),
        x_name,
    )


def _drawn(line: Line, across: Axis, up: Axis) -> DrawnLine:
    points = " ".join(f"{across.px(x)},{up.px(y)}" for x, y in line.points)
    at_mark = [(across.px(x), up.px(y)) for x, y in line.points if x == line.mark]
    return DrawnLine(line.name, points, at_mark[0] if at_mark else None)
