"""Slides as rectangles of pixels: the base of tiles and overviews at any um/px."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int, UInt8

from histoscribe.io.budget import check_size
from histoscribe.io.slides import pixel_hash
from histoscribe.io.slides.file_images import ImagePath
from histoscribe.io.slides.resample import Box, shrink
from histoscribe.io.slides.tile_damage import DamagedTile
from histoscribe.types import Slide

_MPP_REMEDY = "check the um/px: the overview of a whole glass has some thousand px a side"
_WITHIN = 0.01
"""Relative difference of um/px below which pixels are not resampled."""


@dataclass(frozen=True)
class Level:
    """One resolution of a slide."""

    width: int
    """Px of this level."""
    height: int
    across: float
    """Level-0 px that one px of this level covers in x."""
    down: float
    """The same in y."""


def levels_of(sizes: Sequence[tuple[int, int]]) -> tuple[Level, ...]:
    """Levels from their widths and heights, level 0 first.

    A scanner halves the image and drops or keeps the odd px at the border: a width of 2,221 below
    4,443 is a factor of 2, not of 2.0005, which would shift the far border by half a px.
    """
    width, height = sizes[0]
    return tuple(Level(w, h, _factor(width, w), _factor(height, h)) for w, h in sizes)


class RegionSlide(Slide):
    """A slide that gives any rectangle of its pixels; all resampling uses this."""

    def __init__(self, path: Path, sizes: Sequence[tuple[int, int]], mpp: float) -> None:
        if not mpp > 0:
            raise ValueError(f"um/px must be above 0, not {mpp}")
        self.path, self.mpp, self.image = path, mpp, ImagePath(path)
        self.levels = levels_of(sizes)
        self.width, self.height = self.levels[0].width, self.levels[0].height
        self._hash: str | None = None

    @abstractmethod
    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Give the pixels of a rectangle that lies inside the level, in px of that level."""

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged tiles that these boxes (left, top, right, bottom in px of the level) touch."""
        del level, boxes
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return (self.path,)

    @property
    def white(self) -> tuple[Box, ...]:
        """Rectangles in level-0 px that are read as white."""
        return ()

    def pixels(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels of a rectangle inside the image."""
        return self.level_pixels(0, left, top, right, bottom)

    def region(self, left: int, top: int, right: int, bottom: int) -> UInt8[np.ndarray, "h w 3"]:
        """Give the pixels of any rectangle, white outside the image."""
        return self.level_region(0, left, top, right, bottom)

    def level_region(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Give the pixels of any rectangle of a level, white outside the image."""
        width, height = self.levels[level].width, self.levels[level].height
        inside_x = sorted((max(left, 0), min(right, width)))
        inside_y = sorted((max(top, 0), min(bottom, height)))
        if (inside_x, inside_y) == ([left, right], [top, bottom]):
            return self.level_pixels(level, left, top, right, bottom)
        out = np.full((bottom - top, right - left, 3), 255, dtype=np.uint8)
        if right > 0 and bottom > 0 and left < width and top < height:
            (x0, x1), (y0, y1) = inside_x, inside_y
            inside = self.level_pixels(level, x0, y0, x1, y1)
            out[y0 - top : y1 - top, x0 - left : x1 - left] = inside
        return out

    def read(self, xy: tuple[float, float], side_px: int, mpp: float) -> UInt8[np.ndarray, "P P 3"]:
        """Read a square centred on `xy` from the coarsest level that is fine enough.

        Within 1 % of that level's um/px it is a plain crop that starts at the rounded corner, so
        its pixels are those of the file.
        """
        scale = mpp / self.mpp
        if scale < 1 - _WITHIN:
            raise ValueError(
                f"{self.path.name} has {self.mpp:.4g} um/px and cannot be read at {mpp:.4g}: "
                f"images are never enlarged silently; use {self.mpp:.4g} um/px or coarser"
            )
        number = self.level_for(scale)
        level = self.levels[number]
        x, y = xy[0] / level.across, xy[1] / level.down
        if scale <= (1 + _WITHIN) * max(level.across, level.down):
            left, top = (round(centre - side_px / 2) for centre in (x, y))
            return self.level_region(number, left, top, left + side_px, top + side_px)
        half_x, half_y = (side_px * scale / 2 / factor for factor in (level.across, level.down))
        box = Box(x - half_x, y - half_y, x + half_x, y + half_y)
        return shrink(partial(self.level_region, number), box, side_px, side_px)

    def overview(self, mpp: float) -> UInt8[np.ndarray, "height width 3"]:
        """Read the whole image at about `mpp` um/px, at most at native resolution."""
        scale = max(1.0, mpp / self.mpp)
        width, height = (max(1, round(side / scale)) for side in (self.width, self.height))
        what = f"an overview of {width} x {height} px"
        stored = self.path.stat().st_size if self.path.is_file() else 0
        check_size(self.path, what, 3 * width * height, stored=stored, remedy=_MPP_REMEDY)
        number = self.level_for(scale)
        level = self.levels[number]
        if (width, height) == (level.width, level.height):
            pixels = self.level_region(number, 0, 0, width, height)
            return pixels if pixels.flags.writeable else pixels.copy()  # a shared view
        whole = Box(0.0, 0.0, float(level.width), float(level.height))
        return shrink(partial(self.level_region, number), whole, width, height)

    def level_for(self, scale: float) -> int:
        """Give the coarsest level that is at most 1 % coarser than `scale` level-0 px a px."""
        fine = [
            number
            for number, level in enumerate(self.levels)
            if (1 - _WITHIN) * max(level.across, level.down) <= scale
        ]
        return max(fine, key=lambda number: self.levels[number].across, default=0)

    def pixel_hash(self) -> str:
        """Hash that tells whether two slides show the same; kept from run to run.

        For an image up to 400 megapixel in one file: sha256 of width, height and RGB rows, the same
        for a flat and a tiled copy. For a larger image, or a format of several files: sha256 of the
        bytes of all files, because decoding would take minutes. A copy that was saved again then
        counts as another slide.
        """
        if self._hash is None:
            self._hash = pixel_hash.remembered(self.files, self._parts, self._make_hash)
        return self._hash

    @property
    def _parts(self) -> tuple[object, ...]:
        """Everything besides the files that decides the pixels."""
        number = () if self.image.number is None else (self.image.number,)
        return (*self.white, *number)

    def _make_hash(self) -> str:
        if len(self.files) > 1 or self.width * self.height > pixel_hash.MOST_PX:
            return pixel_hash.of_files(self.files, self._parts)
        return pixel_hash.of_pixels((self.width, self.height), self.pixels)


@final
class MaskedSlide(RegionSlide):
    """A slide with rectangles that are no tissue made white, e.g. a pasted thumbnail."""

    def __init__(self, slide: RegionSlide, white: tuple[Box, ...]) -> None:
        sizes = [(level.width, level.height) for level in slide.levels]
        super().__init__(slide.path, sizes, slide.mpp)
        self.image, self.notes, self.warnings = slide.image, slide.notes, slide.warnings
        self._slide, self._white = slide, white

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return self._slide.files

    def damage(self, level: int, boxes: Int[np.ndarray, "N 4"]) -> tuple[DamagedTile, ...]:
        """Damaged tiles of the slide."""
        return self._slide.damage(level, boxes)

    @property
    def white(self) -> tuple[Box, ...]:
        """Rectangles in level-0 px that are read as white."""
        return self._white

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels of the slide, with white rectangles applied."""
        out = self._slide.level_pixels(level, left, top, right, bottom).copy()
        across, down = self.levels[level].across, self.levels[level].down
        for box in self._white:  # px partly covered are white too
            x0, x1 = (max(math.floor(box.left / across), left), math.ceil(box.right / across))
            y0, y1 = (max(math.floor(box.top / down), top), math.ceil(box.bottom / down))
            out[y0 - top : max(y1 - top, 0), x0 - left : max(x1 - left, 0)] = 255
        return out


def _factor(full: int, reduced: int) -> float:
    """Factor of a level: a power of two or whole number if rounding explains it, else the ratio.

    At a factor of 256, 100,095 px give 390 px or 391: the plain ratio would be off by a hundred px
    at the far border.
    """
    ratio = full / reduced
    for whole in (2 ** round(math.log2(ratio)), round(ratio)):
        if reduced in (full // whole, -(-full // whole)):
            return float(whole)
    return ratio
