"""Parts that all pictures of a section share: window in um, tissue, spots, scale bar, file.

Axes are in um from the top left corner of the slide, y down, so that a spot has its true size at
any resolution of the image below it.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import fill

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import Collection, EllipseCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from histoscribe.io.atomic import replacing
from histoscribe.printable import printable_lines
from histoscribe.types import Section, Slide, Spots

_DPI = 150
_THIN_POINTS = 0.1
_CHARACTERS_PER_INCH = 16  # of text of 7 points
_LINE_INCHES = 0.125  # of text of 7 points
_PANEL_PX = 900  # more tissue pixels than a panel can show cost time and change nothing


@dataclass(frozen=True)
class Window:
    """The part of a slide that a picture shows, in um from its top left corner."""

    left: float
    top: float
    width: float
    height: float

    @property
    def panel_inches(self) -> tuple[float, float]:
        """Width and height of one panel: the longer side is 5 inches, the shorter at least 2."""
        scale = 5 / max(self.width, self.height)
        return max(self.width * scale, 2.0), max(self.height * scale, 2.0)


def whole(section: Section) -> Window:
    """Window of the whole slide."""
    slide = section.slide
    return Window(0.0, 0.0, slide.width * slide.mpp, slide.height * slide.mpp)


def around_spots(section: Section) -> Window:
    """Window of the spots with a margin of 1.5 pitches, cut at the edge of the slide.

    Without a lattice the margin is 1.5 diameters.
    """
    slide, spots = section.slide, section.spots
    margin = 1.5 * (spots.pitch_um or spots.drawn_um)
    edge = np.array([slide.width, slide.height]) * slide.mpp
    um = centres_um(section)
    low = np.maximum(um.min(axis=0) - margin, 0.0)
    high = np.minimum(um.max(axis=0) + margin, edge)
    return Window(*(float(value) for value in (*low, *(high - low))))


def centres_um(section: Section) -> Float[np.ndarray, "N 2"]:
    """Spot centres in um."""
    return section.spots.xy * section.slide.mpp


@dataclass(frozen=True, eq=False)
class TissueOutline:
    """The H&E of a window, read once for all panels that show it."""

    window: Window
    image: UInt8[np.ndarray, "height width 3"]
    extent: tuple[float, float, float, float]
    """Left, right, bottom and top of the image, um from the top left corner of the slide."""


def read_tissue(section: Section, window: Window, dimmed: float) -> TissueOutline:
    """Read the H&E of the window; `dimmed` in 0..1 is the share of white mixed in."""
    slide = section.slide
    mpp = max(slide.mpp, max(window.width, window.height) / _PANEL_PX)
    image = _overview(slide, mpp)
    full = whole(section)
    rows, columns = image.shape[:2]
    y, x = (
        full.height / rows,
        full.width / columns,
    )  # um per px as read: may differ from the request
    top, left = int(window.top / y), int(window.left / x)
    bottom = min(rows, int(np.ceil((window.top + window.height) / y)))
    right = min(columns, int(np.ceil((window.left + window.width) / x)))
    part = image[top:bottom, left:right]
    extent = (left * x, right * x, bottom * y, top * y)
    return TissueOutline(window, paler(part, dimmed), extent)


def paler(
    image: UInt8[np.ndarray, "height width 3"], dimmed: float
) -> UInt8[np.ndarray, "height width 3"]:
    """Mix white into an image; `dimmed` in 0..1 is its share."""
    return np.rint(image * (1 - dimmed) + 255 * dimmed).astype(np.uint8)


@lru_cache(maxsize=1)
def _overview(slide: Slide, mpp: float) -> UInt8[np.ndarray, "height width 3"]:
    """Read a slide; the maps of its genes follow one another."""
    return slide.overview(mpp)


def draw_tissue(axes: Axes, tissue: TissueOutline) -> None:
    """Draw the H&E and cut the axes to its window."""
    window = tissue.window
    axes.imshow(tissue.image, extent=tissue.extent, interpolation="antialiased")
    axes.set_xlim(window.left, window.left + window.width)
    axes.set_ylim(window.top + window.height, window.top)
    axes.set_xticks([])
    axes.set_yticks([])


def spot_marks(axes: Axes, um: Float[np.ndarray, "n 2"], spots: Spots) -> Collection:
    """Add one mark of true size per centre, of some of these spots; the caller colours them.

    Squares are squares; a cell is a circle of the typical diameter.
    """
    marks: Collection
    if spots.shape == "squares":
        marks = PolyCollection(um[:, None] + spots.outline(spots.drawn_um))
    else:
        size = np.full(len(um), spots.drawn_um)
        marks = EllipseCollection(
            size, size, np.zeros(len(um)), units="xy", offsets=um, offset_transform=axes.transData
        )
    axes.add_collection(marks, autolim=False)
    return marks


def edge_points(spots: Spots, points: float) -> float:
    """Width of the line around a mark: bins and cells are small, and a line would cover them."""
    return points if spots.shape == "circles" else min(points, _THIN_POINTS)


def scale_bar(axes: Axes, window: Window) -> None:
    """Draw a bar of a round length, about a fifth of the width, with its length in um."""
    length = round_length(window.width / 5)
    pad = 0.03 * window.width
    bottom = window.top + window.height - pad
    thick = 0.012 * max(window.width, window.height)
    left = window.left + pad
    axes.add_patch(
        Rectangle((left, bottom - thick), length, thick, facecolor="black", edgecolor="white")
    )
    axes.text(
        left + length / 2,
        bottom - 1.6 * thick,
        f"{length:g} µm",
        ha="center",
        va="bottom",
        fontsize=8,
        bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5},
    )


def round_length(most_um: float) -> float:
    """Largest of 1, 2, 5, 10, 20, 50 ... um that is at most `most_um`.

    >>> round_length(730.0), round_length(2.1)
    (500.0, 2.0)
    """
    power = 10.0 ** np.floor(np.log10(most_um))
    return float(max(step * power for step in (1, 2, 5) if step * power <= most_um))


def wrapped(text: str, width_inches: float) -> str:
    """Break the lines of a text of 7 points to a width."""
    n_characters = int(width_inches * _CHARACTERS_PER_INCH)
    return "\n".join(fill(line, n_characters) for line in text.splitlines())


def text_inches(text: str) -> float:
    """Height of a text of 7 points, beyond the first four lines, for which figures have room."""
    return max(0, len(text.splitlines()) - 4) * _LINE_INCHES


def save_png(figure: Figure, path: Path) -> None:
    """Write the figure without date or version, so that the same figure gives the same bytes.

    Texts hold names of data: they are neither read as formulas nor drawn with control characters.
    """
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(_DPI)
    for text in figure.findobj(Text):
        if words := text.get_text():  # labels of ticks come later: they are numbers, some as 10^3
            text.set_parse_math(False)
            text.set_text(printable_lines(words))
    with replacing(path) as temporary:
        # tissue hardly compresses: the usual level takes three times as long for 3 % of the size
        small = {"compress_level": 3}
        # `savefig` would draw twice, once for the layout
        canvas.print_png(temporary, metadata={"Software": None}, pil_kwargs=small)
