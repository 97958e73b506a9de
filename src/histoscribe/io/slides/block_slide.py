"""A slide whose pixels are read in blocks and kept, for tiles that overlap many times."""

from collections import OrderedDict
from concurrent.futures import Future
from pathlib import Path
from threading import Lock
from typing import final

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError
from histoscribe.io.slides.region import RegionSlide
from histoscribe.io.slides.resample import Box

BLOCK_PX = 256
MOST_BLOCKS = 1024
"""Blocks kept, of 192 KiB each: of tiles in grid order, those of a strip 40,000 px wide or more."""

Pixels = UInt8[np.ndarray, "h w 3"]
_Key = tuple[int, int, int]


@final
class BlockSlide(RegionSlide):
    """The pixels of another slide, each read once while its block is kept; threads may share it.

    Rectangles are put together from squares of `BLOCK_PX`. The block that was used longest ago is
    dropped first, so tiles should come in an order that keeps neighbours together. The pixels are
    those of the slide; only OpenSlide, at a level whose factor is a fraction, moves them by up to
    half a level-0 px, as it does for any rectangle.
    """

    def __init__(self, slide: RegionSlide) -> None:
        sizes = [(level.width, level.height) for level in slide.levels]
        super().__init__(slide.path, sizes, slide.mpp)
        self.levels, self.image = slide.levels, slide.image
        self.notes, self.warnings = slide.notes, slide.warnings
        self._slide = slide
        self._blocks: OrderedDict[_Key, Future[Pixels]] = OrderedDict()
        self._lock = Lock()

    @property
    def files(self) -> tuple[Path, ...]:
        """All files that hold the slide."""
        return self._slide.files

    @property
    def white(self) -> tuple[Box, ...]:
        """Rectangles in level-0 px that are read as white."""
        return self._slide.white

    def level_pixels(self, level: int, left: int, top: int, right: int, bottom: int) -> Pixels:
        """Pixels put together from blocks."""
        out = np.empty((bottom - top, right - left, 3), dtype=np.uint8)
        for row in range(top // BLOCK_PX, -(-bottom // BLOCK_PX)):
            y0 = row * BLOCK_PX
            ys = slice(max(top, y0), min(bottom, y0 + BLOCK_PX))
            for column in range(left // BLOCK_PX, -(-right // BLOCK_PX)):
                x0 = column * BLOCK_PX
                xs = slice(max(left, x0), min(right, x0 + BLOCK_PX))
                try:
                    block = self._block((level, row, column))
                except DataContractError:
                    # damage in a block may lie beside the rectangle; in it, this raises again
                    return self._slide.level_pixels(level, left, top, right, bottom)
                out[ys.start - top : ys.stop - top, xs.start - left : xs.stop - left] = block[
                    ys.start - y0 : ys.stop - y0, xs.start - x0 : xs.stop - x0
                ]
        return out

    def _block(self, key: _Key) -> Pixels:
        """Block of a level; of several threads that need it, the first one reads it."""
        with self._lock:
            block = self._blocks.get(key)
            is_new = block is None
            if block is None:
                block = self._blocks[key] = Future()
                if len(self._blocks) > MOST_BLOCKS:
                    self._blocks.popitem(last=False)
            else:
                self._blocks.move_to_end(key)
        if is_new:
            try:
                block.set_result(self._read(key))
            except BaseException as error:
                block.set_exception(error)
                raise
        return block.result()

    def _read(self, key: _Key) -> Pixels:
        number, row, column = key
        level, left, top = self.levels[number], column * BLOCK_PX, row * BLOCK_PX
        right, bottom = (
            min(first + BLOCK_PX, side)
            for first, side in ((left, level.width), (top, level.height))
        )
        return self._slide.level_pixels(number, left, top, right, bottom)
