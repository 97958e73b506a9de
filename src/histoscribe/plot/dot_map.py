"""One gene at the spots of a section, in panels of equal size on one scale of colours."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator

from histoscribe.plot.canvas import TissueOutline, Window, edge_points, round_length, spot_marks
from histoscribe.plot.publication import LINE_MM, PublicationFigure, lines_of
from histoscribe.types import Spots

_MARGIN_MM, _GAP_MM = 1.0, 3.0
_BAR_MM = 2.5
_BAR_TEXT_MM = 15.0  # numbers and label of the colour bar
_TALLEST_MM = 180.0  # a page of a journal has about 240
_MOST_VECTOR = 20_000  # spots: a file with more shapes opens slowly
_DIVERGING, _SEQUENTIAL = "RdBu_r", "cividis"
"""Both can be read with common kinds of colour blindness."""


@dataclass(frozen=True, eq=False)
class DotPanel:
    """Values of the spots, with the text above and below them."""

    title: str
    values: Float[np.ndarray, " N"]
    """NaN is hollow."""
    below: str = ""


@dataclass(frozen=True, eq=False, kw_only=True)
class DotMap:
    """Values of one gene, spots and tissue of a section."""

    gene: str
    place: str
    """Section, patient and so on."""
    unit: str
    um: Float[np.ndarray, "N 2"]
    """Centres in um from the top left corner of the slide."""
    spots: Spots
    panels: tuple[DotPanel, ...]
    tissue: TissueOutline | None = None
    """The H&E below the spots; None leaves it out."""
    beyond: Bool[np.ndarray, " N"] | None = None
    """Spots beyond the training tissue, hatched in the last panel."""

    @property
    def window(self) -> Window:
        """Spots with a margin of 1.5 pitches (or diameters), within the picture of the tissue."""
        margin = 1.5 * (self.spots.pitch_um or self.spots.drawn_um)
        low, high = self.um.min(axis=0) - margin, self.um.max(axis=0) + margin
        if self.tissue is not None:
            left, right, bottom, top = self.tissue.extent
            low, high = np.maximum(low, (left, top)), np.minimum(high, (right, bottom))
        return Window(*(float(value) for value in (*low, *(high - low))))


def draw_dot_map(item: DotMap, width_mm: float) -> PublicationFigure:
    """Draw the panels side by side, the scale bar below the first one.

    Colours run from the 1st to the 99th percentile of all panels together. Values of both signs
    have a diverging palette with zero in its middle.
    """
    n_panels, window = len(item.panels), item.window
    across = width_mm - 2 * _MARGIN_MM - _BAR_MM - _BAR_TEXT_MM
    side = across / n_panels - _GAP_MM
    tall = side * window.height / window.width
    if tall > _TALLEST_MM:
        side, tall = side * _TALLEST_MM / tall, _TALLEST_MM
    titles = [lines_of(panel.title, side) for panel in item.panels]
    top = _MARGIN_MM + (2 + max(map(len, titles))) * LINE_MM + 1.0
    hatched = item.beyond is not None and bool(item.beyond.any())
    n_below = max(1, *(len(lines_of(panel.below, side)) for panel in item.panels)) + hatched
    figure = PublicationFigure(width_mm, top + tall + (n_below + 0.4) * LINE_MM + _MARGIN_MM)
    figure.write(_MARGIN_MM, _MARGIN_MM, item.gene, weight="bold")
    figure.write(_MARGIN_MM, _MARGIN_MM + LINE_MM, item.place)
    scale = value_colours([panel.values for panel in item.panels])
    for number, (panel, title) in enumerate(zip(item.panels, titles, strict=True)):
        left = _MARGIN_MM + number * (side + _GAP_MM)
        figure.write(left, top - 1.0 - len(title) * LINE_MM, "\n".join(title))
        axes = figure.add_panel(left, top, side, tall)
        _draw(axes, item, panel.values, scale)
        below = "\n".join(lines_of(panel.below, side))
        figure.write(left + side, top + tall + 1.0, below, ha="right")
        if number == 0:
            _scale_bar(figure, axes, (left, top + tall + 1.5, side), window)
        if number == n_panels - 1 and item.beyond is not None and hatched:
            _hatch(axes, item, item.beyond)
            share = f"hatched: beyond the training tissue ({item.beyond.sum():,} spots)"
            figure.write(_MARGIN_MM, top + tall + 1.0 + (n_below - 1) * LINE_MM, share)
    _colour_bar(figure, scale, item, (_MARGIN_MM + n_panels * (side + _GAP_MM), top, tall))
    return figure


def value_colours(panels: list[Float[np.ndarray, " N"]]) -> ScalarMappable:
    """Colours from the 1st to the 99th percentile; of both signs with zero in the middle."""
    values = np.concatenate(panels)
    known = values[np.isfinite(values)]
    low, high = (float(end) for end in np.percentile(known, [1, 99])) if known.size else (0.0, 1.0)
    if low < 0 < high:
        bound = max(-low, high)
        return ScalarMappable(Normalize(-bound, bound), _DIVERGING)
    if high <= low:
        low, high = low - 0.5, low + 0.5
    return ScalarMappable(Normalize(low, high), _SEQUENTIAL)


def _draw(axes: Axes, item: DotMap, values: Float[np.ndarray, " N"], scale: ScalarMappable) -> None:
    window, spots, known = item.window, item.spots, np.isfinite(values)
    if item.tissue is not None:
        axes.imshow(item.tissue.image, extent=item.tissue.extent, interpolation="antialiased")
    axes.set_xlim(window.left, window.left + window.width)
    axes.set_ylim(window.top + window.height, window.top)
    axes.set_aspect("auto")  # the panel has the shape of its window
    axes.set_xticks([])
    axes.set_yticks([])
    filled = spot_marks(axes, item.um[known], spots)
    filled.set_array(values[known])
    filled.set_cmap(scale.get_cmap())
    filled.set_norm(scale.norm)
    filled.set_edgecolor("0.6" if item.tissue is None else "white")  # zero is nearly white
    filled.set_linewidth(edge_points(spots, 0.2))
    hollow = spot_marks(axes, item.um[~known], spots)
    hollow.set_facecolor("none")
    hollow.set_edgecolor("0.4")
    hollow.set_linewidth(edge_points(spots, 0.3))
    if len(values) > _MOST_VECTOR:
        filled.set_rasterized(True)
        hollow.set_rasterized(True)


def _hatch(axes: Axes, item: DotMap, beyond: Bool[np.ndarray, " N"]) -> None:
    marks = spot_marks(axes, item.um[beyond], item.spots)
    marks.set_facecolor("none")
    marks.set_hatch("/" * 5)
    marks.set_edgecolor("black")  # of the hatch, too
    marks.set_linewidth(edge_points(item.spots, 0.3))


def _scale_bar(
    figure: PublicationFigure, axes: Axes, place: tuple[float, float, float], window: Window
) -> None:
    """Draw a bar of a round length below a panel, with its length to the right of it."""
    left, top, side = place
    length = round_length(window.width / 4)
    below = 1.5 / (figure.height_mm * axes.get_position().height)
    share = length / window.width
    axes.plot([0, share], [-below, -below], "k-", lw=1.5, transform=axes.transAxes, clip_on=False)
    figure.write(left + share * side + 1.0, top - 0.5, _length(length))


def _length(um: float) -> str:
    """A length with its unit.

    >>> _length(500.0), _length(2000.0)
    ('500 µm', '2 mm')
    """
    return f"{um:g} µm" if um < 1000 else f"{um / 1000:g} mm"


def _colour_bar(
    figure: PublicationFigure, scale: ScalarMappable, item: DotMap, at: tuple[float, float, float]
) -> None:
    left, top, tall = at
    height = min(tall, 45.0)
    axes = figure.add_panel(left, top + (tall - height) / 2, _BAR_MM, height)
    bar = figure.colorbar(scale, cax=axes, ticks=MaxNLocator(4))
    bar.outline.set_linewidth(0.5)
    words = lines_of(item.unit, height)
    axes.set_ylabel("\n".join(words[:2]), linespacing=1.0)
