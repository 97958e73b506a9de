"""An image in memory as a slide."""

from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import UInt8

from histoscribe.io.slides import pixel_hash
from histoscribe.io.slides.region import RegionSlide


@final
class ArraySlide(RegionSlide):
    """Pixels in memory; their hash depends only on the pixels, as for a file."""

    def __init__(self, name: str, pixels: UInt8[np.ndarray, "height width 3"], mpp: float) -> None:
        height, width, _ = pixels.shape
        super().__init__(Path(name), [(width, height)], mpp)
        self._pixels = np.ascontiguousarray(pixels)
        self._pixels.flags.writeable = False

    @property
    def files(self) -> tuple[Path, ...]:
        """Empty: no file contains the slide."""
        return ()

    def level_pixels(
        self, level: int, left: int, top: int, right: int, bottom: int
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Pixels cut from the array."""
        del level
        return self._pixels[top:bottom, left:right]

    def pixel_hash(self) -> str:
        """Sha256 of size and pixels, equal to that of a lossless file."""
        if self._hash is None:
            self._hash = pixel_hash.of_pixels((self.width, self.height), self.pixels)
        return self._hash
