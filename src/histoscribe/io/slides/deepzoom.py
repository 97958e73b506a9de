"""A slide as square JPEG tiles at halved resolutions, as viewers in a browser read them."""

import math
from functools import lru_cache, partial
from threading import Lock

import numpy as np
from jaxtyping import UInt8

from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.resample import Box, shrink
from histoscribe.io.slides.thumbnail import jpeg

TILE_PX = 256
"""Side of a tile; neighbours do not overlap."""
_OVERVIEW_PX = 2048
"""Longest side of the picture from which the coarse levels are cut."""
_TILES_KEPT = 1024
"""Encoded tiles in memory, 20 kB each."""


class DeepZoom:
    """Tiles of a slide at every halved resolution down to one px; level 0 is the coarsest.

    The finest level is the slide itself. Each coarser one has half the px a side, rounded up, and
    averages the area that a px covers. Levels of at most 2,048 px a side are cut from one overview,
    because a slide without small levels of its own would be decoded as a whole for each tile.
    """

    def __init__(
        self, slide: RegionSlide, overview: UInt8[np.ndarray, "height width 3"] | None = None
    ) -> None:
        self.slide = slide
        self.n_levels = math.ceil(math.log2(max(slide.width, slide.height, 1))) + 1
        self._lock, self._overview = Lock(), overview
        self._jpeg = lru_cache(maxsize=_TILES_KEPT)(self._encoded)

    def size(self, level: int) -> tuple[int, int]:
        """Width and height of a level in px."""
        scale = self._scale(level)
        return math.ceil(self.slide.width / scale), math.ceil(self.slide.height / scale)

    def jpeg_tile(self, level: int, column: int, row: int) -> bytes | None:
        """Encode a tile as JPEG; None outside the slide and its levels.

        Raises
        ------
        DataContractError
            for a damaged part of the file.
        """
        if not 0 <= level < self.n_levels:
            return None
        width, height = self.size(level)
        inside = 0 <= column * TILE_PX < width and 0 <= row * TILE_PX < height
        return self._jpeg(level, column, row) if inside else None

    def tile(self, level: int, column: int, row: int) -> UInt8[np.ndarray, "height width 3"]:
        """Read the px of a tile; those at the right and lower edge are smaller."""
        width, height = self.size(level)
        left, top = column * TILE_PX, row * TILE_PX
        right, bottom = min(left + TILE_PX, width), min(top + TILE_PX, height)
        if max(width, height) <= _OVERVIEW_PX < max(self.slide.width, self.slide.height):
            picture = self._small()
            across, down = picture.shape[1] / width, picture.shape[0] / height
            region = partial(_cut, picture)
        else:
            scale = self._scale(level)
            number = self.slide.level_for(float(scale))
            of = self.slide.levels[number]
            across, down = scale / of.across, scale / of.down
            region = partial(self.slide.level_region, number)
        box = Box(left * across, top * down, right * across, bottom * down)
        if across == down == 1.0:
            return region(left, top, right, bottom)
        return shrink(region, box, right - left, bottom - top)

    def _encoded(self, level: int, column: int, row: int) -> bytes:
        return jpeg(self.tile(level, column, row))

    def _scale(self, level: int) -> int:
        """Level-0 px of the slide in one px of a level."""
        return 1 << (self.n_levels - 1 - level)

    def _small(self) -> UInt8[np.ndarray, "height width 3"]:
        """Overview of the slide, read once."""
        with self._lock:
            if self._overview is None:
                longest = max(self.slide.width, self.slide.height)
                self._overview = self.slide.overview(self.slide.mpp * longest / _OVERVIEW_PX)
            return self._overview


def _cut(
    picture: UInt8[np.ndarray, "h w 3"], left: int, top: int, right: int, bottom: int
) -> UInt8[np.ndarray, "height width 3"]:
    return picture[top:bottom, left:right]
