"""Damaged tiles of a slide to predict: the places on and beside them are left out, and counted."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.data.grid import Grid
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.fewer_levels import without_level
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.tile_damage import DamagedTile

_TOLD = 5
"""Damaged tiles that a message names."""

Boxes = Float[np.ndarray, "N 4"]


@dataclass(frozen=True, eq=False)
class DamageReport:
    """Damaged tiles that the tiles of a prediction would have shown."""

    tiles: tuple[DamagedTile, ...]
    n_left_out: int = 0
    """Number of positions on or beside them."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """Warning with number and place of the tiles; none for a sound slide."""
        if not self.tiles:
            return ()
        return (
            f"{in_words(self.tiles)}. {self.n_left_out} positions on or beside them are left out; "
            "where nothing could be read, all counts as tissue.",
        )


def whole_level(slide: RegionSlide, scale: float) -> tuple[RegionSlide, tuple[DamagedTile, ...]]:
    """Damage of the level that is read whole at `scale` level-0 px a px.

    A reduced level with damage is left out for the next finer one. Returns the slide without such
    levels, and the damaged tiles of level 0.
    """
    while True:
        number = slide.level_for(scale)
        level = slide.levels[number]
        damaged = slide.damage(number, np.array([[0, 0, level.width, level.height]]))
        if not damaged or number == 0:
            return slide, damaged
        slide = without_level(slide, number, f"a tile is damaged ({damaged[0]})")


def damage_of_places(
    slide: RegionSlide, boxes: Boxes, scale: float
) -> tuple[RegionSlide, tuple[DamagedTile, ...]]:
    """Damage of the tiles that are read around places (`boxes` in level-0 px) at this scale.

    As `whole_level`, for these boxes only.
    """
    while True:
        number = slide.level_for(scale)
        level = slide.levels[number]
        factor = np.array([level.across, level.down] * 2)
        damaged = slide.damage(number, _whole_px(boxes / factor))
        if not damaged or number == 0:
            return slide, damaged
        slide = without_level(slide, number, f"a tile is damaged ({damaged[0]})")


def boxes_of(grid: Grid, side_um: float, mpp: float) -> Boxes:
    """What is read around each position, in level-0 px: its tile, at least its square."""
    half = max(side_um, grid.spacing_um) / mpp / 2 + 1  # a corner is rounded to whole px
    xy = grid.spots.xy
    return np.concatenate([xy - half, xy + half], axis=1)


def on_damage(boxes: Boxes, tiles: Sequence[DamagedTile]) -> Bool[np.ndarray, " N"]:
    """Whether each box overlaps a damaged tile."""
    hit = np.zeros(len(boxes), dtype=bool)
    left, top, right, bottom = boxes.T
    for box in (tile.box for tile in tiles):
        across = (left < box.right) & (right > box.left)
        hit |= across & (top < box.bottom) & (bottom > box.top)
    return hit


def nothing_left(where: str, tiles: Sequence[DamagedTile]) -> DataContractError:
    """Error of a slide on which no position is free of damage."""
    return DataContractError(
        Problem(
            where=where,
            found=f"{in_words(tiles)}, and no position is left beside them",
            expected="a slide whose tiles can be read where there is tissue",
            remedy="copy or download it again, then compare the file sizes",
        )
    )


def in_words(tiles: Sequence[DamagedTile]) -> str:
    """Number and places of damaged tiles; the first of many."""
    places = "; ".join(str(tile) for tile in tiles[:_TOLD])
    more = f"; and {len(tiles) - _TOLD} more" if len(tiles) > _TOLD else ""
    return f"Damaged tiles of the slide: {len(tiles)} ({places}{more})"


def _whole_px(boxes: Boxes) -> Int[np.ndarray, "N 4"]:
    return np.concatenate([np.floor(boxes[:, :2]) - 1, np.ceil(boxes[:, 2:]) + 1], axis=1).astype(
        np.int64
    )
