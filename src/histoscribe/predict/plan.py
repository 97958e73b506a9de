"""Plan of a slide: tissue and grid of positions."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from histoscribe.data.grid import Grid, lay_grid
from histoscribe.data.padding import covered
from histoscribe.data.tiles import SlideLook, Tiles
from histoscribe.data.tissue import MASK_MPP, TissueMask, tissue_mask
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import COHORT_NAMES
from histoscribe.io.slides.mask import read_mask
from histoscribe.io.slides.ome_zarr import is_ome_zarr
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.slide import open_whole_slide
from histoscribe.io.slides.tile_damage import DamagedTile
from histoscribe.predict.damaged_tiles import (
    DamageReport,
    boxes_of,
    damage_of_places,
    nothing_left,
    on_damage,
    whole_level,
)
from histoscribe.types import Section, Slide

DamagedTiles = Literal["leave-out", "stop"]
LEAVE_OUT: DamagedTiles = "leave-out"


@dataclass(frozen=True, kw_only=True)
class SlideRequest:
    """Request to predict one slide."""

    path: Path
    spacing_um: float = 100.0
    """Distance between neighbouring positions."""
    mpp: float | None = None
    """um per level-0 px; None uses the slide's metadata."""
    mpp_from: str | None = None
    """Which of the two to trust if they differ: `user` or `metadata`."""
    image_number: int | None = None
    """Image of the file, from 1; None takes the largest."""
    damaged_tiles: DamagedTiles = LEAVE_OUT
    """`leave-out`: positions on damaged tiles are not predicted; `stop`: the slide is refused."""
    mask: Path | None = None
    """Tissue mask (picture or GeoJSON); None detects the tissue."""

    @property
    def name(self) -> str:
        """Name of the slide's results: its file name without the ending."""
        return self.path.stem.removesuffix(".ome")


@dataclass(frozen=True, eq=False)
class SlidePlan:
    """A slide with the positions to predict."""

    section: Section
    """Section of the slide, with the grid as its spots."""
    grid: Grid
    mask: TissueMask
    tiles: Tiles
    slide_look: SlideLook
    """Tissue and colour of the slide, measured once for all blocks."""
    damage: DamageReport


def open_request(request: SlideRequest, tiles: Tiles) -> RegionSlide:
    """Open the slide of a request; only its header is read.

    Raises
    ------
    DataContractError
        for a slide that cannot be read, whose um/px is unknown, or that is coarser than the tiles
        by more than 1 %; and for a grid finer than its pixels.
    """
    if problems := tuple(_mistakes(request)):
        raise DataContractError(problems)
    slide = open_whole_slide(
        request.path,
        request.mpp,
        mpp_from=request.mpp_from,
        image_number=request.image_number,
        fill=request.damaged_tiles == LEAVE_OUT,
    )
    if slide.mpp > 1.01 * tiles.mpp:
        raise DataContractError(_too_coarse(slide, tiles))
    if not (math.isfinite(request.spacing_um) and request.spacing_um >= slide.mpp):
        raise DataContractError(
            Problem(
                where=f"--spacing-um {request.spacing_um:g}",
                found=f"a grid finer than a px of {request.path.name} ({slide.mpp:.4g} um)",
                expected="a distance between positions in um; Visium has 100",
                remedy="give a larger one",
            )
        )
    return slide


def make_plan(
    request: SlideRequest, slide: RegionSlide, tiles: Tiles, most_places: int | None = None
) -> SlidePlan:
    """Detect the tissue and place the grid, of at most so many positions.

    Positions whose tile would show a damaged tile of the slide are left out, and told in the
    warnings of the slide, unless the request wants to stop there.

    Raises
    ------
    DataContractError
        for a mask that does not fit the slide, for a slide without tissue to predict, and for more
        positions than `most_places`; the message names a distance that is large enough.
    """
    lost: tuple[DamagedTile, ...] = ()
    if request.damaged_tiles == LEAVE_OUT:
        slide, lost = whole_level(slide, max(1.0, MASK_MPP / slide.mpp))
    mask = _mask(request, slide, lost)
    grid = lay_grid(slide, mask, request.spacing_um)
    damage = DamageReport(lost)
    if request.damaged_tiles == LEAVE_OUT:
        slide, grid, damage = _without_damage(slide, tiles, mask, grid, lost)
    if len(grid) == 0:
        if damage.tiles:
            raise nothing_left(str(slide.path), damage.tiles)
        raise DataContractError(_no_tissue(request, slide, mask))
    slide.warnings = (*slide.warnings, *damage.warnings)
    if most_places is not None and len(grid) > most_places:
        raise DataContractError(_too_many(slide, mask, grid, most_places))
    section = Section(request.name, None, slide, grid.spots, None)
    return SlidePlan(section, grid, mask, tiles, tiles.slide_look(slide, mask), damage)


def _mask(request: SlideRequest, slide: Slide, lost: tuple[DamagedTile, ...]) -> TissueMask:
    if request.mask is None:
        return tissue_mask(slide, [tile.box for tile in lost])
    inside = read_mask(request.mask, slide)
    px = (slide.width / inside.shape[1], slide.height / inside.shape[0])
    return TissueMask(inside, px, slide.mpp)


def _without_damage(
    slide: RegionSlide, tiles: Tiles, mask: TissueMask, grid: Grid, lost: tuple[DamagedTile, ...]
) -> tuple[RegionSlide, Grid, DamageReport]:
    """The grid without positions that would show damage; what is lost may have been tissue."""
    height, width = mask.inside.shape
    unread = covered((height, width), mask.px_per_mask_px, [tile.box for tile in lost])
    possible = TissueMask(mask.inside | unread, mask.px_per_mask_px, mask.mpp)
    everywhere = lay_grid(slide, possible, grid.spacing_um) if lost else grid
    side_um = tiles.side_px * tiles.mpp
    boxes = boxes_of(everywhere, side_um, slide.mpp)
    slide, around = damage_of_places(slide, boxes, tiles.mpp / slide.mpp)
    damaged = tuple(dict.fromkeys((*lost, *around)))
    keep = ~on_damage(boxes_of(grid, side_um, slide.mpp), damaged)
    n_left_out = int(on_damage(boxes, damaged).sum())
    return slide, grid.take(keep), DamageReport(damaged, n_left_out)


def _mistakes(request: SlideRequest) -> Iterator[Problem]:
    if request.mpp is not None and not (math.isfinite(request.mpp) and request.mpp > 0):
        yield Problem(
            where=f"--mpp {request.mpp:g}",
            found="no valid size of a px",
            expected="um per px of the full image, e.g. 0.25 for a 40x scan",
            remedy="correct it, or leave it out if the slide's metadata states it",
        )
    if not _is_unicode(request.name):
        yield Problem(
            where=str(request.path),
            found="a file name that is not UTF-8",
            expected="a name that results can carry",
            remedy="rename the file",
        )
    if request.path.is_dir() and not is_ome_zarr(request.path):
        yield Problem(
            where=str(request.path),
            found="a folder",
            expected=f"slides, or a cohort: {COHORT_NAMES}",
            remedy=f"give its slides, e.g. {request.path / '*.svs'}",
        )


def _is_unicode(name: str) -> bool:
    """Whether a name can be written; bytes that are not UTF-8 are surrogates in Python."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def _too_coarse(slide: Slide, tiles: Tiles) -> Problem:
    return Problem(
        where=str(slide.path),
        found=f"a slide of {slide.mpp:.4g} um/px",
        expected=f"{tiles.mpp:.4g} um/px or finer, as in the training of this predictor: images "
        "are never enlarged silently",
        remedy="scan it at a finer resolution, or train a predictor with --set inputs.mpp="
        f"{math.ceil(slide.mpp * 100) / 100:g}; if the um/px of the file is wrong, give the right "
        "one with --mpp, and add --mpp-from user",
    )


def _no_tissue(request: SlideRequest, slide: Slide, mask: TissueMask) -> Problem:
    share = float(mask.inside.mean())
    found = "no tissue"
    if share > 0:
        found = f"tissue on {share:.1%} of the slide, and no square of {request.spacing_um:g} um "
        found += "with at least half tissue"
    given = request.mask is not None
    return Problem(
        where=str(slide.path if not given else request.mask),
        found=found,
        expected=f"at least one position of {request.spacing_um:g} um to predict",
        remedy="check the mask, or give a smaller --spacing-um"
        if given
        else "check the slide; give a tissue mask with --mask FILE (a picture or GeoJSON), or a "
        "smaller --spacing-um",
    )


def _too_many(slide: Slide, mask: TissueMask, grid: Grid, most_places: int) -> Problem:
    spacing_um = grid.spacing_um * math.sqrt(len(grid) / most_places)
    fits = grid
    while len(fits) > most_places:  # squares at the edge of the tissue may be more than expected
        spacing_um = float(math.ceil(spacing_um * 1.01))
        fits = lay_grid(slide, mask, spacing_um)
    return Problem(
        where=str(slide.path),
        found=f"{len(grid):,} positions, {grid.spacing_um:g} um apart",
        expected=f"at most {most_places:,}: the model of this predictor reads all of them at once",
        remedy=f"give --spacing-um {spacing_um:g} ({len(fits):,} positions), or a mask of a part",
    )
