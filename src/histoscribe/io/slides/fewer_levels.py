"""A slide without the reduced levels that show something else than level 0."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int, UInt8

from histoscribe.io.slides.region import Level, RegionSlide
from histoscribe.io.slides.resample import Box, shrink
from histoscribe.io.slides.tile_damage import DamagedTile

_WINDOW_PX = 64
"""Width of the places that are compared, in px of the reduced level."""
_BLOCK_PX = 4
"""Blocks of px over which both levels are averaged: some scanners drop px, some average them."""
_PLACES = 5
"""Places compared along each side of the slide."""
_PLACES_OF_BLANK = 16
"""The same where no detail leads to tissue."""
_RICH = 6
"""Further places: those with the most detail in the reduced level."""
_DETAIL = 4.0
"""Deviation of the blocks of a place above which it has detail to compare."""
_APART = 25.0
"""Grey levels between the means of a place that neither JPEG nor sharpening explains."""
_WORST = 0.1
_LEAST_CORRELATION = 0.5
"""At the worst tenth of the places with detail; levels of scanners have 0.98, two px aside 0.8."""
_MOST_PX = 4_000_000
"""Size of a level that is read whole in the search for detail."""


@final
class FewerLevels(RegionSlide):
    """A slide without one or more reduced levels."""

    def __init__(self, slide: RegionSlide, keep: Sequence[int], warning: str) -> None:
        sizes = [(slide.levels[n].width, slide.levels[n].height) for n in keep]
        super().__init__(slide.path, sizes, slide.mpp)
        self.levels = tuple(slide.levels[n] for n in keep)
        self.image, self.notes = slide.image, slide.notes
        self.warnings = (*slide.warnings, warning)
        self._slide, self._keep = slide, tuple(keep)

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return self._slide.files

    @property
    def white(self) -> tuple[Box, ...]:
        """Rectangles in level-0 px that are read as white."""
        return self._slide.white

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged tiles of the slide."""
        return self._slide.damage(self._keep[level], boxes)

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels of the slide."""
        return self._slide.level_pixels(self._keep[level], left, top, right, bottom)


def without_level(slide: RegionSlide, level: int, why: str) -> RegionSlide:
    """The slide without a reduced level; a warning says why."""
    at = slide.levels[level]
    keep = [number for number in range(len(slide.levels)) if number != level]
    return FewerLevels(slide, keep, f"A level of {at.width} x {at.height} px is not used: {why}.")


def with_true_levels(slide: RegionSlide) -> RegionSlide:
    """The slide with those levels that show what the next finer one shows, at a few places.

    Compared are places in rows and columns, and those with the most detail: their means, and the
    pattern of their blocks. A level of another picture, blank or shifted, is left out.
    """
    level = 1
    while level < len(slide.levels):
        if why := _differs(slide, level):
            slide = without_level(slide, level, why)
        else:
            level += 1
    return slide


def _differs(slide: RegionSlide, level: int) -> str:
    """Compare a level with the finer one above it: the difference in words, or nothing."""
    correlations = []
    for left, top, right, bottom in _places(slide, level):
        pair = _pair(slide, level, (left, top, right, bottom))
        if pair is None:
            continue
        fine, coarse = pair
        where = f"it shows something else than the level above it at x {left}, y {top} px"
        if abs(fine.mean() - coarse.mean()) > _APART:
            return where
        if min(fine.std(), coarse.std()) > _DETAIL:
            correlations.append(float(np.corrcoef(fine.ravel(), coarse.ravel())[0, 1]))
        elif max(fine.std(), coarse.std()) > 4 * _DETAIL:
            return where
    if correlations and np.quantile(correlations, _WORST) < _LEAST_CORRELATION:
        return "its details do not lie where those of the level above it lie"
    return ""


def _pair(
    slide: RegionSlide, level: int, box: tuple[int, int, int, int]
) -> tuple[Float[np.ndarray, "rows columns"], Float[np.ndarray, "rows columns"]] | None:
    """Means of the blocks of a place, from the level above and from the level itself.

    None where a tile of either is damaged, which is told where it is read.
    """
    above, at = slide.levels[level - 1], slide.levels[level]
    across, down = at.across / above.across, at.down / above.down
    left, top, right, bottom = box
    wide = Box(left * across, top * down, right * across, bottom * down)
    around = [wide.left, wide.top, wide.right, wide.bottom]
    if slide.damage(level - 1, np.array([around]).astype(np.int64)):
        return None
    if slide.damage(level, np.array([box])):
        return None
    shape = ((right - left) // _BLOCK_PX, (bottom - top) // _BLOCK_PX)
    fine = shrink(partial(slide.level_region, level - 1), wide, *shape)
    return fine.mean(axis=2), _blocks(slide.level_region(level, left, top, right, bottom))


def _places(slide: RegionSlide, level: int) -> list[tuple[int, int, int, int]]:
    """Boxes to compare, in px of the level."""
    at = slide.levels[level]
    width, height = (
        min(_WINDOW_PX, side) // _BLOCK_PX * _BLOCK_PX for side in (at.width, at.height)
    )
    if min(width, height) < 2 * _BLOCK_PX:
        return []
    rich = _rich(slide, level, width, height)
    n_places = _PLACES_OF_BLANK if rich == [] else _PLACES
    steps = (np.arange(n_places) + 0.5) / n_places
    corners = {
        (round((at.width - width) * x), round((at.height - height) * y))
        for x in steps
        for y in steps
    }
    return [(x, y, x + width, y + height) for x, y in sorted(corners | set(rich or []))]


def _rich(slide: RegionSlide, level: int, width: int, height: int) -> list[tuple[int, int]] | None:
    """Corners of the places with the most detail in the coarsest level with a picture in it.

    Empty where that level is blank; None where no level is small enough to be read for this.
    """
    at = slide.levels[level]
    guide = max((n for n, one in enumerate(slide.levels) if n and _guides(one)), default=0)
    small = slide.levels[guide]
    box = (0, 0, small.width, small.height)
    if guide == 0 or slide.damage(guide, np.array([box])):
        return None
    grey = _blocks(slide.level_region(guide, *box))
    cells = 8
    rows, columns = (max(side // cells, 1) for side in grey.shape)
    detail = {
        (row, column): float(grey[row * cells :, column * cells :][:cells, :cells].std())
        for row in range(rows)
        for column in range(columns)
    }
    most = sorted(
        (place for place in detail if detail[place] > _DETAIL), key=lambda place: -detail[place]
    )
    best = most[: _RICH * 4 : 4]
    scale_x, scale_y = at.width / grey.shape[1], at.height / grey.shape[0]
    return [
        (
            int(np.clip((column + 0.5) * cells * scale_x - width / 2, 0, at.width - width)),
            int(np.clip((row + 0.5) * cells * scale_y - height / 2, 0, at.height - height)),
        )
        for row, column in best
    ]


def _guides(level: Level) -> bool:
    """Whether a level is small enough to be read, and large enough to show where tissue is."""
    is_picture = min(level.width, level.height) >= _WINDOW_PX
    return is_picture and level.width * level.height <= _MOST_PX


def _blocks(pixels: UInt8[np.ndarray, "height width 3"]) -> Float[np.ndarray, "rows columns"]:
    """Grey means of blocks of px; px beyond whole blocks are left out."""
    rows, columns = (max(side // _BLOCK_PX, 1) for side in pixels.shape[:2])
    whole = pixels[: rows * _BLOCK_PX, : columns * _BLOCK_PX].mean(axis=2)
    return whole.reshape(rows, _BLOCK_PX, columns, _BLOCK_PX).mean(axis=(1, 3))
