"""Rows of tiles, one row for each level of a gene."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import numpy as np
from jaxtyping import UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from histoscribe.plot.canvas import save_png, wrapped

_TILE_INCHES = 1.45
_TEXT_INCHES = 0.7
_LABEL_INCHES = 1.5
_CHARACTERS = 26  # of a line below a tile


@dataclass(frozen=True, eq=False)
class SheetTile:
    """One tile with its lines of text."""

    pixels: UInt8[np.ndarray, "P P 3"]
    lines: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class SheetRow:
    """Tiles of one level, possibly none."""

    label: str
    tiles: tuple[SheetTile, ...]


def draw_contact_sheet(
    rows: Sequence[SheetRow], title: str, below: str, path: Path, *, n_columns: int
) -> None:
    """Write a PNG with one row for each level, the first one at the top."""
    width = _LABEL_INCHES + n_columns * _TILE_INCHES
    height = len(rows) * (_TILE_INCHES + _TEXT_INCHES) + 1.3
    figure = Figure(figsize=(width, height), layout="constrained")
    ratios = [_LABEL_INCHES, *(n_columns * [_TILE_INCHES])]
    grid = figure.subplots(len(rows), n_columns + 1, squeeze=False, width_ratios=ratios)
    for axes, row in zip(grid, rows, strict=True):
        axes[0].set_axis_off()
        axes[0].text(0.0, 0.5, row.label, va="center", fontsize=8, transform=axes[0].transAxes)
        for place in range(n_columns):
            _draw(axes[1 + place], row.tiles[place] if place < len(row.tiles) else None)
        if not row.tiles:
            axes[1].text(0.0, 0.5, "no tile", va="center", fontsize=7)
    figure.suptitle(title, fontsize=10)
    figure.supxlabel(wrapped(below, width), fontsize=7)
    save_png(figure, path)


def _draw(axes: Axes, tile: SheetTile | None) -> None:
    if tile is None:
        axes.set_axis_off()
        return
    axes.imshow(tile.pixels, interpolation="antialiased")
    axes.set_xticks([])
    axes.set_yticks([])
    text = "\n".join(fill(line, _CHARACTERS) for line in tile.lines)
    axes.set_xlabel(text, fontsize=6, labelpad=3)
