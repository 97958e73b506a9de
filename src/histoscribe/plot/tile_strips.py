"""Strips of tiles for a page: a spot, then the tiles to compare it with."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from histoscribe.plot.publication import LINE_MM, PublicationFigure, cut_to, lines_of
from histoscribe.plot.strips import Picture, Strip

_MARGIN_MM, _GAP_MM = 1.0, 1.4
_TEXT_MM = 24.5  # lines beside the spot
_BAR_MM, _BAR_TEXT_MM = 2.5, 14.0
_LEAST_TILE_MM, _MOST_TILE_MM = 8.5, 22.0


def draw_tile_strips(
    strips: Sequence[Strip], title: str, unit: str, width_mm: float
) -> PublicationFigure:
    """Draw a row for each strip; the frame of a neighbour has the colour of its value.

    As many neighbours are drawn as have room, the first ones; the title counts them.
    """
    room = width_mm - 2 * _MARGIN_MM - _TEXT_MM - _BAR_MM - _BAR_TEXT_MM
    n_all = max(len(strip.neighbours) for strip in strips)
    n_shown = min(n_all, max(1, int(room / (_LEAST_TILE_MM + _GAP_MM)) - 1))
    side = min(room / (n_shown + 1) - _GAP_MM, _MOST_TILE_MM)
    row_mm = side + 2 * LINE_MM + 1.5
    of = f" of {n_all}" if n_shown < n_all else ""
    words = f"{title}; the nearest {n_shown}{of} exemplars with their patient and expression"
    head = lines_of(words, width_mm - 2 * _MARGIN_MM)
    top = _MARGIN_MM + (len(head) + 0.3) * LINE_MM
    figure = PublicationFigure(width_mm, top + len(strips) * row_mm + _MARGIN_MM)
    figure.write(_MARGIN_MM, _MARGIN_MM, "\n".join(head))
    first = _MARGIN_MM + _TEXT_MM
    values = [one.value for strip in strips for one in strip.neighbours if one.value is not None]
    # a diverging palette has a middle that cannot be seen on the page
    scale = ScalarMappable(Normalize(min(values, default=0.0), max(values, default=1.0)), "cividis")
    for number, strip in enumerate(strips):
        row_top = top + number * row_mm
        figure.write(_MARGIN_MM, row_top, "\n".join(_cut(strip.query, _TEXT_MM - 1.0)))
        _tile(figure.add_panel(first, row_top, side, side), strip.query, scale)
        for place, picture in enumerate(strip.neighbours[:n_shown], 1):
            left = first + place * (side + _GAP_MM) + _GAP_MM
            _tile(figure.add_panel(left, row_top, side, side), picture, scale)
            words = "\n".join(_cut(picture, side))
            figure.write(left + side / 2, row_top + side + 0.8, words, ha="center")
    tall = min(len(strips) * row_mm - LINE_MM, 45.0)
    at = first + (n_shown + 1) * (side + _GAP_MM) + 2 * _GAP_MM
    axes = figure.add_panel(at, top, _BAR_MM, tall)
    figure.colorbar(scale, cax=axes, ticks=MaxNLocator(4)).outline.set_linewidth(0.5)
    axes.set_ylabel(unit)
    return figure


def _cut(picture: Picture, width_mm: float) -> list[str]:
    """Lines of a picture, each cut to a width."""
    return [cut_to(line, width_mm) for line in picture.lines]


def _tile(axes: Axes, picture: Picture, scale: ScalarMappable) -> None:
    if picture.tile is not None:
        axes.imshow(picture.tile, interpolation="antialiased", aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    colour = "black" if picture.value is None else scale.to_rgba(np.array([picture.value]))[0]
    for spine in axes.spines.values():
        spine.set_color(colour)
        spine.set_linewidth(0.5 if picture.value is None else 2.0)
