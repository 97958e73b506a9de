"""Rows of tiles: a query tile, then the tiles to compare it with."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_TILE_INCHES = 1.25
_TEXT_INCHES = 0.65
_GAP = 0.12  # of a tile
_FRAME_POINTS = 4.0
_BLANK = 235  # grey of a missing tile


@dataclass(frozen=True, eq=False)
class Picture:
    """One tile with its lines of text."""

    tile: UInt8[np.ndarray, "P P 3"] | None
    why_missing: str
    """Reason that is written in place of a missing tile."""
    lines: tuple[str, ...]
    value: float | None
    """Colours the frame; None leaves it black."""


@dataclass(frozen=True, eq=False)
class Strip:
    """One row: a query tile, then the tiles to compare it with."""

    query: Picture
    neighbours: tuple[Picture, ...]


@dataclass(frozen=True)
class StripText:
    """Texts printed on the picture."""

    title: str
    below: str
    unit: str
    """Meaning of the colours of the frames."""


def draw_strips(strips: Sequence[Strip], text: StripText, path: Path) -> None:
    """Write a PNG with one row for each strip; frames are coloured by value on one scale."""
    n_columns = 1 + max(len(strip.neighbours) for strip in strips)
    width = (n_columns + _GAP) * _TILE_INCHES + 1.2
    height = len(strips) * (_TILE_INCHES + _TEXT_INCHES) + 0.8
    figure = Figure(figsize=(width, height), layout="compressed")
    apart = [
        1.0,
        _GAP,
        *((n_columns - 1) * [1.0]),
    ]  # a gap separates the query tile from the others
    grid = figure.subplots(len(strips), n_columns + 1, squeeze=False, width_ratios=apart)
    for empty in grid[:, 1]:
        empty.set_axis_off()
    axes = np.delete(grid, 1, axis=1)
    scale = _scale(strips)
    for row, strip in zip(axes, strips, strict=True):
        _draw(row[0], strip.query, scale, bold=True)
        for place in range(1, n_columns):
            if place <= len(strip.neighbours):
                _draw(row[place], strip.neighbours[place - 1], scale, bold=False)
            else:
                row[place].set_axis_off()
    bar = figure.colorbar(scale, ax=grid, shrink=0.8, pad=0.01, aspect=30)
    bar.set_label(text.unit, fontsize=8)
    bar.ax.tick_params(labelsize=7)
    figure.suptitle(text.title, fontsize=10)
    figure.supxlabel(wrapped(text.below, width), fontsize=7)
    save_png(figure, path)


def _scale(strips: Sequence[Strip]) -> ScalarMappable:
    values = list(_values(strips))
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return ScalarMappable(Normalize(low, high), "cividis")


def _values(strips: Sequence[Strip]) -> Iterator[float]:
    for strip in strips:
        for picture in (strip.query, *strip.neighbours):
            if picture.value is not None:
                yield picture.value


def _draw(axes: Axes, picture: Picture, scale: ScalarMappable, *, bold: bool) -> None:
    tile = picture.tile
    if tile is None:
        tile = np.full((2, 2, 3), _BLANK, dtype=np.uint8)
        axes.annotate(
            picture.why_missing, (0.5, 0.5), xycoords="axes fraction", fontsize=6, ha="center"
        )
    axes.imshow(tile, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    value = picture.value
    colour = "black" if value is None else to_hex(scale.to_rgba(np.array([value]))[0])
    for side in axes.spines.values():
        side.set_color(colour)
        side.set_linewidth(_FRAME_POINTS)
    weight = "bold" if bold else "normal"
    axes.set_xlabel("\n".join(picture.lines), fontsize=6, fontweight=weight, labelpad=4)
