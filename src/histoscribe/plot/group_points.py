"""Points in the plane by group for a page, in colours and marks that everybody can tell apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from histoscribe.plot.embedding import Colouring, EmbeddedSpots
from histoscribe.plot.publication import LINE_MM, PublicationFigure, lines_of, text_mm
from histoscribe.printable import printable

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#000000")
"""Of Okabe and Ito, which can be told apart with all common kinds of colour blindness."""
_MARKS = ("o", "s", "^")
"""Eight groups have circles, the next eight squares, then triangles; more repeat them."""
_NONE = "0.8"  # a point without a group
_MARGIN_MM, _GAP_MM, _MARK_MM = 1.0, 4.0, 6.0
_MOST_SIDE_MM = 110.0
_MOST_NAMED = 24
_MOST_VECTOR = 20_000  # points: a file with more shapes opens slowly


def draw_group_points(rows: Sequence[EmbeddedSpots], width_mm: float) -> PublicationFigure:
    """Draw a row for each network, with a panel and its legend below for each colouring.

    Points without a group are grey.
    """
    n_panels = len(rows[0].colourings)
    side = min((width_mm - 2 * _MARGIN_MM + _GAP_MM) / n_panels - _GAP_MM, _MOST_SIDE_MM)
    colourings = [of for row in rows for of in row.colourings]
    titles = [lines_of(of.title, side) for of in colourings]
    legends = [_Legend(of, side) for of in colourings]
    above = max(map(len, titles)) * LINE_MM + 1.0
    below = max(legend.n_rows for legend in legends) * LINE_MM + 2.0
    tall = above + side + below
    figure = PublicationFigure(width_mm, len(rows) * tall + 2 * _MARGIN_MM)
    for number, (colouring, title, legend) in enumerate(
        zip(colourings, titles, legends, strict=True)
    ):
        row, column = divmod(number, n_panels)
        left, top = _MARGIN_MM + column * (side + _GAP_MM), _MARGIN_MM + row * tall
        figure.write(left, top, "\n".join(title))
        axes = figure.add_panel(left, top + above, side, side)
        _draw(axes, rows[row].xy, colouring, legend.names)
        legend.write(figure, left, top + above + side + 1.5)
    return figure


class _Legend:
    """Names of the groups in columns as wide as the longest."""

    def __init__(self, colouring: Colouring, side_mm: float) -> None:
        self.names = sorted({name for name in colouring.names if name is not None})
        listed = [printable(name) for name in self.names[:_MOST_NAMED]]
        n_more = len(self.names) - len(listed)
        self._entries = [*listed, *([f"and {n_more} more"] if n_more else [])]
        if None in colouring.names:
            self._entries.append("none")
        self._width = min(max(map(text_mm, self._entries)) + _MARK_MM, side_mm)
        self._n_columns = max(1, int(side_mm / self._width))

    @property
    def n_rows(self) -> int:
        """Lines of the legend."""
        return -(-len(self._entries) // self._n_columns)

    def write(self, figure: PublicationFigure, left: float, top: float) -> None:
        """Write marks and names at a place in mm."""
        for number, name in enumerate(self._entries):
            row, column = divmod(number, self._n_columns)
            x, y = left + column * self._width, top + row * LINE_MM
            figure.write(x + 3.0, y, name)
            if number < len(self.names[:_MOST_NAMED]):
                colour, mark = _look(number)
            elif name == "none":
                colour, mark = _NONE, "o"
            else:
                continue
            place = [[(x + 1.2) / figure.width_mm], [1 - (y + 1.5) / figure.height_mm]]
            figure.add_artist(Line2D(*place, marker=mark, color=colour, markersize=4, mew=0))


def _look(number: int) -> tuple[str, str]:
    """Colour and mark of a group."""
    return _COLOURS[number % len(_COLOURS)], _MARKS[number // len(_COLOURS) % len(_MARKS)]


def _draw(
    axes: Axes, xy: Float[np.ndarray, "N 2"], colouring: Colouring, groups: Sequence[str]
) -> None:
    names = np.array([name or "" for name in colouring.names])
    size = float(np.clip(1500 / max(len(xy), 1), 1.0, 8.0))
    style: dict[str, Any] = {"s": size, "linewidths": 0, "rasterized": len(xy) > _MOST_VECTOR}
    unnamed = np.array([name is None for name in colouring.names])
    axes.scatter(*xy[unnamed].T, color=_NONE, **style)
    for number, name in enumerate(groups):
        colour, mark = _look(number)
        axes.scatter(*xy[(names == name) & ~unnamed].T, color=colour, marker=mark, **style)
    axes.set_aspect("equal", adjustable="datalim")
    axes.set_xticks([])
    axes.set_yticks([])
