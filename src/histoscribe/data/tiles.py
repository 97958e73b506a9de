"""Tiles around spots: their geometry, their pixels and the order they are read in."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from histoscribe.data.jitter import HedJitter, hed_jitter
from histoscribe.data.stain import TissueColour, recoloured, tissue_colour
from histoscribe.data.tissue import MASK_VERSION, TissueMask, tissue_mask
from histoscribe.errors import DataContractError, Problem
from histoscribe.types import Section, Slide, Spots

_BAND_STEPS = 4  # a band of rows that a tiled slide can keep decoded


@dataclass(frozen=True, eq=False)
class SlideLook:
    """What must be known of a slide as a whole before a tile of it is read."""

    mask: TissueMask | None
    """None where pixels are the same on and off the tissue."""
    colour: TissueColour | None = None
    """Of its tissue; None where tiles keep their own colour."""


@dataclass(frozen=True)
class Tiles:
    """The square of tissue that an encoder sees around a spot."""

    side_px: int
    mpp: float
    """um/px of the tile."""
    white_off_tissue: bool = True
    """The colour of the background differs by patient: left in, it gives the patient away."""
    stain: TissueColour | None = None
    """Tissue is given this colour of the training slides; None leaves it as it is."""
    jitter: HedJitter | None = None
    """Stains are moved at random, for a view to train on; None reads tiles to predict from."""

    def __post_init__(self) -> None:
        if self.side_px < 1 or not self.mpp > 0:
            raise ValueError(f"a tile needs side and um/px above 0: {self.side_px}, {self.mpp}")

    @property
    def identity(self) -> str:
        """Everything that decides the pixels of a tile, in one stable string."""
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
            Nothing is enlarged silently.
        """
        if section.slide.mpp > 1.01 * self.mpp:
            raise DataContractError(_too_coarse(section, self))

    def look(self, slide: Slide, mask: TissueMask | None = None) -> SlideLook:
        """Look a slide over; `mask` is its tissue where that is known already.

        Raises
        ------
        DataContractError
            The tiles are normalised, and the slide shows no tissue or is grey.
        """
        if not self.white_off_tissue and self.stain is None:
            return SlideLook(None)
        tissue = tissue_mask(slide) if mask is None else mask
        return SlideLook(tissue, None if self.stain is None else tissue_colour(slide, tissue))

    def read(
        self, slide: Slide, look: SlideLook, xy: tuple[float, float]
    ) -> UInt8[np.ndarray, "P P 3"]:
        """Read one tile centred on `xy` (level-0 px).

        Where the mask says no tissue it is white, or as it is; the stain is that of the tissue.
        """
        pixels = slide.read(xy, self.side_px, self.mpp)
        if look.mask is None:
            return pixels
        inside = look.mask.tile(xy, self.side_px, self.mpp)
        tissue = self._normalised(pixels, look)
        if inside.all():
            return tissue
        ground = np.uint8(255) if self.white_off_tissue else pixels
        return np.where(inside[..., None], tissue, ground)

    def _normalised(
        self, pixels: UInt8[np.ndarray, "P P 3"], look: SlideLook
    ) -> UInt8[np.ndarray, "P P 3"]:
        if self.stain is None:
            return pixels
        if look.colour is None:
            raise ValueError("this look was not taken for tiles that are normalised")
        return recoloured(pixels, look.colour, self.stain)


def grid_order(spots: Spots, mpp: float) -> Int[np.ndarray, " N"]:
    """Rows of the spots in an order that keeps near spots together: bands, left to right.

    It depends on the centres only, so every run reads and stores in the same order.
    """
    x, y = spots.xy.T
    band = np.floor(y / (_BAND_STEPS * spots.step_um / mpp))
    return np.lexsort((y, x, band))


def tile_batches(
    section: Section,
    tiles: Tiles,
    batches: list[Int[np.ndarray, " _"]],
    look: SlideLook | None = None,
) -> Iterator[UInt8[Tensor, "B 3 P P"]]:
    """Read the tiles of each batch of rows, one batch ahead of the one in use.

    The tensors are channels-last in memory. `look` is that of the slide where it was taken before.
    """
    if not batches:
        tiles.check(section)
        return
    read = tile_reader(section, tiles, look)
    with ThreadPoolExecutor(max_workers=1) as reader:
        ahead = reader.submit(read, batches[0])
        for following in [*batches[1:], None]:
            image = ahead.result()
            if following is not None:
                ahead = reader.submit(read, following)
            yield image


def tile_reader(
    section: Section, tiles: Tiles, look: SlideLook | None = None
) -> Callable[[Int[np.ndarray, " rows"]], UInt8[Tensor, "B 3 P P"]]:
    """Make the function that reads the tiles of a batch of rows; threads may share it."""
    tiles.check(section)
    seen = tiles.look(section.slide) if look is None else look
    draws = None if tiles.jitter is None else tiles.jitter.draw(len(section.spots))

    def read(rows: Int[np.ndarray, " rows"]) -> UInt8[Tensor, "B 3 P P"]:
        centres = [(float(x), float(y)) for x, y in section.spots.xy[rows]]
        pixels = np.stack([tiles.read(section.slide, seen, xy) for xy in centres])
        image = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        return image if draws is None else hed_jitter(image, draws[0][rows], draws[1][rows])

    return read


def _too_coarse(section: Section, tiles: Tiles) -> Problem:
    native = section.slide.mpp
    side_px = round(tiles.side_px * tiles.mpp / native)
    return Problem(
        where=f"section {section.id} ({section.slide.path.name})",
        found=f"an image of {native:.4g} um/px",
        expected=f"{tiles.mpp:.4g} um/px or finer, as the tiles ask: nothing is enlarged silently",
        remedy=f"ask for tiles of {side_px} px at {native:.4g} um/px for the whole cohort, "
        "give a finer image, or leave the section out",
    )
