"""Tiles around spots: geometry, pixels and reading order."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from histoscribe.data.jitter import HedJitter, hed_jitter
from histoscribe.data.stain import TissueColour, recoloured, tissue_colour
from histoscribe.data.tissue import MASK_VERSION, TissueMask, tissue_mask
from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.block_slide import BlockSlide
from histoscribe.io.slides.region import RegionSlide
from histoscribe.transfer import read_ahead
from histoscribe.types import Section, Slide, Spots

_BAND_STEPS = 4  # a band of rows whose decoded tiles fit in the cache
_LEAST_OVERLAP = 4.0
"""Tiles over a place, on average, from which pixels are kept for the next tiles."""


@dataclass(frozen=True, eq=False)
class SlideLook:
    """Tissue and colour of a slide, needed before its tiles are read."""

    mask: TissueMask | None
    """None if pixels off the tissue stay unchanged."""
    colour: TissueColour | None = None
    """Colour of its tissue; None without normalisation."""


@dataclass(frozen=True)
class Tiles:
    """Square of tissue around a spot, as input of an encoder or network."""

    side_px: int
    mpp: float
    """um/px of the tile."""
    white_off_tissue: bool = True
    """The background colour differs between patients and would reveal the patient."""
    stain: TissueColour | None = None
    """Colour of the training slides, applied to the tissue; None leaves it unchanged."""
    jitter: HedJitter | None = None
    """Random change of the stains, for training views; None for tiles to predict."""

    def __post_init__(self) -> None:
        if self.side_px < 1 or not self.mpp > 0:
            raise ValueError(f"a tile needs side and um/px above 0: {self.side_px}, {self.mpp}")

    @property
    def identity(self) -> str:
        """Text that identifies the pixels of a tile: equal texts give equal pixels."""
        ground = f"white-off-tissue-{MASK_VERSION}" if self.white_off_tissue else "as-it-is"
        parts = [f"{self.side_px}px/{self.mpp!r}um/{ground}"]
        if self.stain is not None:
            parts.append(f"{self.stain.identity}-on-tissue-{MASK_VERSION}")
        if self.jitter is not None:
            parts.append(self.jitter.identity)
        return "/".join(parts)

    def check(self, section: Section) -> None:
        """Refuse a slide that is coarser than the tiles, by more than 1 %.

        Raises
        ------
        DataContractError
            if tiles would have to be enlarged.
        """
        if section.slide.mpp > 1.01 * self.mpp:
            raise DataContractError(_too_coarse(section, self))

    def slide_look(self, slide: Slide, mask: TissueMask | None = None) -> SlideLook:
        """Tissue and colour of a slide; `mask` is its tissue if already known.

        Raises
        ------
        DataContractError
            if tiles are normalised and the slide shows no tissue or is grey.
        """
        if not self.white_off_tissue and self.stain is None:
            return SlideLook(None)
        tissue = tissue_mask(slide) if mask is None else mask
        return SlideLook(tissue, None if self.stain is None else tissue_colour(slide, tissue))

    def read(
        self, slide: Slide, slide_look: SlideLook, xy: tuple[float, float]
    ) -> UInt8[np.ndarray, "P P 3"]:
        """Read one tile centred on `xy` (level-0 px).

        Pixels off the tissue are white or unchanged; the stain of tissue is normalised if set.
        """
        pixels = slide.read(xy, self.side_px, self.mpp)
        if slide_look.mask is None:
            return pixels
        inside = slide_look.mask.tile(xy, self.side_px, self.mpp)
        tissue = self._normalised(pixels, slide_look)
        if inside.all():
            return tissue
        ground = np.uint8(255) if self.white_off_tissue else pixels
        return np.where(inside[..., None], tissue, ground)

    def _normalised(
        self, pixels: UInt8[np.ndarray, "P P 3"], slide_look: SlideLook
    ) -> UInt8[np.ndarray, "P P 3"]:
        if self.stain is None:
            return pixels
        if slide_look.colour is None:
            raise ValueError("the colour of this slide is needed to normalise its tiles")
        return recoloured(pixels, slide_look.colour, self.stain)


def grid_order(spots: Spots, mpp: float) -> Int[np.ndarray, " N"]:
    """Rows of the spots in an order that keeps neighbours together: bands, left to right.

    It depends only on the centres, so every run reads and stores in the same order.
    """
    x, y = spots.xy.T
    band = np.floor(y / (_BAND_STEPS * spots.step_um / mpp))
    return np.lexsort((y, x, band))


def tile_batches(
    section: Section,
    tiles: Tiles,
    batches: list[Int[np.ndarray, " _"]],
    slide_look: SlideLook | None = None,
) -> Iterator[UInt8[Tensor, "B 3 P P"]]:
    """Read the tiles of each batch of rows, one batch ahead of the one in use.

    Rows come in grid order, or few at a time. The tensors are channels-last in memory. `slide_look`
    is that of the slide, if already made.
    """
    if not batches:
        tiles.check(section)
        return
    read = tile_reader(section, tiles, slide_look, in_grid_order=True)
    yield from read_ahead(read, batches)


def tile_reader(
    section: Section,
    tiles: Tiles,
    slide_look: SlideLook | None = None,
    *,
    in_grid_order: bool = False,
) -> Callable[[Int[np.ndarray, " rows"]], UInt8[Tensor, "B 3 P P"]]:
    """Make the function that reads the tiles of a batch of rows; threads may share it.

    If batches come in grid order and tiles overlap many times, as on a fine grid, each pixel of the
    slide is read once; the tiles are the same.
    """
    tiles.check(section)
    seen = tiles.slide_look(section.slide) if slide_look is None else slide_look
    slide = section.slide
    if in_grid_order and isinstance(slide, RegionSlide) and _overlap(section, tiles):
        slide = BlockSlide(slide)
    draws = None if tiles.jitter is None else tiles.jitter.draw(len(section.spots))

    def read(rows: Int[np.ndarray, " rows"]) -> UInt8[Tensor, "B 3 P P"]:
        centres = [(float(x), float(y)) for x, y in section.spots.xy[rows]]
        pixels = np.stack([tiles.read(slide, seen, xy) for xy in centres])
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return image if draws is None else hed_jitter(image, draws[0][rows], draws[1][rows])

    return read


def _overlap(section: Section, tiles: Tiles) -> bool:
    """Whether so many tiles lie over a place that pixels are worth keeping."""
    side_px = tiles.side_px * tiles.mpp / section.slide.mpp
    area_px2 = float(np.prod(np.ptp(section.spots.xy, axis=0) + side_px))
    return len(section.spots) * side_px**2 >= _LEAST_OVERLAP * area_px2


def _too_coarse(section: Section, tiles: Tiles) -> Problem:
    native = section.slide.mpp
    side_px = round(tiles.side_px * tiles.mpp / native)
    return Problem(
        where=f"section {section.id} ({section.slide.path.name})",
        found=f"an image of {native:.4g} um/px",
        expected=f"{tiles.mpp:.4g} um/px or finer, as set for the tiles: images are never "
        "enlarged silently",
        remedy=f"use tiles of {side_px} px at {native:.4g} um/px for the whole cohort, give a "
        "finer image, or leave the section out",
    )
