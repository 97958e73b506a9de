"""A slide in memory that counts how often each of its pixels is read."""

from pathlib import Path

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.slides.region import RegionSlide


class CountedSlide(RegionSlide):
    def __init__(self, pixels, mpp):
        height, width, _ = pixels.shape
        super().__init__(Path("counted.tif"), [(width, height)], mpp)
        self._pixels = pixels
        self.n_reads = np.zeros((height, width), dtype=int)
        self.damaged = None

    @classmethod
    def of_noise(cls, size, mpp):
        pixels = np.random.default_rng(7).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        return cls(pixels, mpp)

    def level_pixels(self, level, left, top, right, bottom):
        if self.damaged is not None:
            x, y = self.damaged
            if left <= x < right and top <= y < bottom:
                raise DataContractError(Problem("counted.tif", "a damaged tile", "pixels", "scan"))
        self.n_reads[top:bottom, left:right] += 1
        return self._pixels[top:bottom, left:right]
