"""Figures for a journal: sizes in mm, text of 8 points that stays text, equal bytes each time."""

import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Literal, final

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextToPath

from histoscribe.io.atomic import replacing
from histoscribe.printable import printable, printable_lines

Width = Literal["single", "double"] | float | int
"""Width of a figure: one or two columns of a journal, or a number of mm."""
COLUMNS_MM = {"single": 88.0, "double": 180.0}
"""Widths of columns; journals differ by a few mm (Nature 88 and 180, Cell 85 and 174)."""
POINTS = 8.0
"""Size of all text."""
LINE_MM = 3.7
"""From one line of text to the next."""
_MM_PER_INCH = 25.4
_METER, _FONT = TextToPath(), FontProperties(size=POINTS)
_DPI = 300  # of pictures inside the vector formats
_SCREEN_DPI = 192
_STYLE: Any = {
    **dict.fromkeys(("font.size", "axes.titlesize", "axes.labelsize"), POINTS),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), POINTS),
    **dict.fromkeys(("axes.linewidth", "xtick.major.width", "ytick.major.width"), 0.5),
    **dict.fromkeys(("xtick.major.size", "ytick.major.size"), 2.0),
    **dict.fromkeys(("xtick.major.pad", "ytick.major.pad"), 2.0),
    "hatch.linewidth": 0.4,
    "svg.fonttype": "none",  # text stays text, for the editor of the journal
    "svg.hashsalt": "histoscribe",  # equal figures have equal bytes
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names of data are no formulas
}
_UNDATED = {"pdf": {"CreationDate": None}, "svg": {"Date": None}, "png": {"Software": None}}


@final
class PublicationFigure(Figure):
    """A matplotlib figure of a fixed size in mm, with text of 8 points.

    `savefig("figure.pdf")` and `savefig("figure.svg")` write vectors. Pyplot does not know the
    figure, so a notebook shows it once: where it is the value of a cell.
    """

    def __init__(self, width_mm: float, height_mm: float) -> None:
        size = (width_mm / _MM_PER_INCH, height_mm / _MM_PER_INCH)
        with rc_context(_STYLE):
            super().__init__(figsize=size)

    @property
    def width_mm(self) -> float:
        """Width in mm."""
        return float(self.get_figwidth() * _MM_PER_INCH)

    @property
    def height_mm(self) -> float:
        """Height in mm."""
        return float(self.get_figheight() * _MM_PER_INCH)

    def add_panel(self, left: float, top: float, width: float, height: float) -> Axes:
        """Add axes at a place in mm from the top left corner of the figure."""
        bottom = self.height_mm - top - height
        across, up = self.width_mm, self.height_mm
        with rc_context(_STYLE):
            return self.add_axes((left / across, bottom / up, width / across, height / up))

    def write(self, left: float, top: float, text: str, **style: Any) -> Text:
        """Write text whose top left corner is at a place in mm from the top left corner."""
        place = (left / self.width_mm, 1 - top / self.height_mm)
        with rc_context(_STYLE):
            return self.text(*place, printable_lines(text), **{"va": "top", **style})

    def add_legend(self, handles: Sequence[Artist], n_columns: int) -> None:
        """Add a legend of these lines and patches at the bottom."""
        with rc_context(_STYLE):
            self.legend(
                handles=list(handles),
                loc="lower center",
                ncols=n_columns,
                frameon=False,
                borderaxespad=0.2,
                columnspacing=1.2,
                handlelength=1.6,
                labelspacing=0.2,
            )

    def draw(self, renderer: Any) -> None:
        """Draw as matplotlib does, in the style of the figure: some texts are made here."""
        with rc_context(_STYLE):
            super().draw(renderer)

    def savefig(self, fname: Any, **options: Any) -> None:
        """Save the figure in its size in mm, without a date; options are those of matplotlib."""
        kind = options.get("format") or Path(str(fname)).suffix.removeprefix(".").lower()
        known = {"dpi": _DPI, "metadata": _UNDATED.get(kind)}
        with rc_context(_STYLE):
            super().savefig(fname, **(known | options))

    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        """Show the figure in a notebook, sharp on dense screens too."""
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=_SCREEN_DPI)
        width, height = (round(inches * _SCREEN_DPI / 2) for inches in self.get_size_inches())
        return buffer.getvalue(), {"width": width, "height": height}


def in_mm(width: str | float | int) -> float:
    """Width of a figure in mm.

    >>> in_mm("single"), in_mm(120)
    (88.0, 120.0)
    """
    if isinstance(width, str):
        if width not in COLUMNS_MM:
            raise ValueError(f"no width {width!r}; choose {', '.join(COLUMNS_MM)}, or mm")
        return COLUMNS_MM[width]
    if not 40 <= width <= 400:
        raise ValueError(f"a figure of {width} mm; its width is in mm, from 40 to 400")
    return float(width)


def text_mm(text: str) -> float:
    """Width of a line of text, in mm."""
    points, _, _ = _METER.get_text_width_height_descent(printable(text), _FONT, ismath=False)
    return float(points * _MM_PER_INCH / 72)


def cut_to(text: str, width_mm: float) -> str:
    """Text whose end is left out, with an ellipsis, where it is wider."""
    if text_mm(text) <= width_mm:
        return text
    shorter = (f"{text[:n]}…" for n in range(len(text) - 1, 0, -1))
    return next((part for part in shorter if text_mm(part) <= width_mm), "…")


def lines_of(text: str, width_mm: float) -> list[str]:
    """Break text into lines of this width, between words and behind hyphens.

    The end of a part that is longer than a line is left out.
    """
    lines = [""]
    for part in re.findall(r"[^\s-]*-?\s*", printable(text)):
        if lines[-1] and text_mm(f"{lines[-1]}{part}".rstrip()) > width_mm:
            lines.append("")
        lines[-1] += part
    return [cut_to(line.rstrip(), width_mm) for line in lines]


def save_vector(figure: PublicationFigure, folder: Path, name: str) -> tuple[Path, Path]:
    """Write `<name>.pdf` and `<name>.svg` into a folder."""
    paths = (folder / f"{name}.pdf", folder / f"{name}.svg")
    for path in paths:
        with replacing(path) as temporary:
            figure.savefig(temporary, format=path.suffix[1:])
    return paths
