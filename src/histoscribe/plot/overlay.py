"""Spots on their image, to check at a glance that the two fit together."""

from pathlib import Path
from textwrap import fill

from matplotlib.figure import Figure

from histoscribe.plot.canvas import (
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

_CAPTION_POINTS = 9
_LETTER_INCHES = 0.6 * _CAPTION_POINTS / 72
"""Width of a letter of the caption: most are narrower."""


def spot_overlay(section: Section, path: Path) -> None:
    """Write a PNG of the whole image with every spot outlined at its true size.

    The title gives um/px, pitch and the number of spots that each filter dropped. A shifted,
    flipped or wrongly scaled set of spots is visible here before it costs a benchmark.
    """
    window = whole(section)
    width, height = window.panel_inches
    figure = Figure(figsize=(1.3 * width, 1.3 * height + 0.6), layout="compressed")
    axes = figure.subplots()
    draw_tissue(axes, read_tissue(section, window, dimmed=0.0))
    # a dark line on a light one is visible on pale tissue and on a black background alike
    for colour, line in (("white", 2.0), ("black", 0.8)):
        marks = spot_marks(axes, centres_um(section), section.spots)
        marks.set_facecolor("none")
        marks.set_edgecolor(colour)
        marks.set_linewidth(edge_points(section.spots, line))
    scale_bar(axes, window)
    n_letters = int(1.3 * width / _LETTER_INCHES)
    axes.set_title(_caption(section, n_letters), fontsize=_CAPTION_POINTS)
    save_png(figure, path)


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
        size = "unknown size" if spots.diameter_um is None else f"about {spots.diameter_um:g} µm"
        return f"cells of {size}"
    name = "spots" if spots.shape == "circles" else "squares"
    apart = "on no lattice" if spots.pitch_um is None else f"every {spots.pitch_um:g} µm"
    return f"{name} of {spots.diameter_um:g} µm {apart}"
