"""Spots on their image, to check at a glance that the two fit together."""

from pathlib import Path
from textwrap import fill

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.spatial import cKDTree

from histoscribe.plot.canvas import (
    TissueOutline,
    Window,
    centres_um,
    draw_tissue,
    edge_points,
    read_tissue,
    save_png,
    scale_bar,
    spot_marks,
    whole,
)
from histoscribe.types import Section, Spots

_SMALL_UM = 30.0
"""Spots below this width are drawn a second time, larger."""
_DETAIL_UM, _DETAIL_PX = 300.0, 900
"""Side of the part that is drawn larger, and its largest number of px."""
_CAPTION_POINTS = 9
_LETTER_INCHES = 0.6 * _CAPTION_POINTS / 72
"""Width of a letter of the caption: most are narrower."""


def spot_overlay(section: Section, path: Path) -> None:
    """Write a PNG of the whole image with every spot outlined at its true size.

    The title gives um/px, pitch and the number of spots that each filter dropped. A shifted,
    flipped or wrongly scaled set of spots is visible here before it costs a benchmark. Cells and
    small bins have a second panel, in which each can be held against its nucleus.
    """
    tissues = [read_tissue(section, whole(section), dimmed=0.0)]
    if section.spots.drawn_um < _SMALL_UM:
        tissues.append(_detail(section))
    width, height = tissues[0].window.panel_inches
    inches = 1.3 * width * len(tissues)
    figure = Figure(figsize=(inches, 1.3 * height + 0.6), layout="compressed")
    panels = figure.subplots(1, len(tissues), squeeze=False)[0]
    for axes, tissue in zip(panels, tissues, strict=True):
        draw_tissue(axes, tissue)
        _outline(axes, section, tissue.window)
        scale_bar(axes, tissue.window)
    caption = _caption(section, int(inches / _LETTER_INCHES))
    figure.suptitle(caption, fontsize=_CAPTION_POINTS)
    save_png(figure, path)


def _detail(section: Section) -> TissueOutline:
    """The H&E of a small square, around the spot with the median number of spots near it."""
    slide, xy = section.slide, section.spots.xy
    near = cKDTree(xy).query_ball_point(xy, _DETAIL_UM / 2 / slide.mpp, return_length=True)
    x, y = xy[np.argsort(near, kind="stable")[len(near) // 2]].tolist()
    mpp = max(slide.mpp, _DETAIL_UM / _DETAIL_PX)
    side_px = max(1, round(_DETAIL_UM / mpp))
    side_um = side_px * mpp
    left, top = x * slide.mpp - side_um / 2, y * slide.mpp - side_um / 2
    extent = (left, left + side_um, top + side_um, top)
    return TissueOutline(
        Window(left, top, side_um, side_um), slide.read((x, y), side_px, mpp), extent
    )


def _outline(axes: Axes, section: Section, window: Window) -> None:
    """Outline the spots inside a window."""
    spots, um = section.spots, centres_um(section)
    edge = np.array([window.width, window.height])
    inside = (np.abs(um - (window.left, window.top) - edge / 2) <= edge / 2).all(axis=1)
    is_whole = window.width > 2 * _DETAIL_UM
    # a dark line on a light one is visible on pale tissue and on a black background alike
    for colour, points in (("white", 2.0), ("black", 0.8)):
        marks = spot_marks(axes, um[inside], spots)
        marks.set_facecolor("none")
        marks.set_edgecolor(colour)
        marks.set_linewidth(edge_points(spots, points) if is_whole else points)


def _caption(section: Section, n_letters: int) -> str:
    """Lines of at most so many letters: a note that is cut off cannot be read."""
    spots = section.spots
    dropped = ", ".join(f"{count} {name}" for name, count in section.dropped.items() if count)
    lines = [
        f"section {section.id} · patient {section.patient} · {section.slide.path.name}",
        f"{len(spots)} {_sizes(spots)} · "
        f"image {section.slide.mpp:.3g} µm/px · dropped: {dropped or 'none'}",
        *section.notes,
    ]
    return "\n".join(fill(line, n_letters) for line in lines)


def _sizes(spots: Spots) -> str:
    if spots.shape == "cells":
        size = "unknown size" if spots.diameter_um is None else f"about {spots.diameter_um:.3g} µm"
        return f"cells of {size}"
    name = "spots" if spots.shape == "circles" else "squares"
    apart = "on no lattice" if spots.pitch_um is None else f"every {spots.pitch_um:g} µm"
    return f"{name} of {spots.diameter_um:g} µm {apart}"
