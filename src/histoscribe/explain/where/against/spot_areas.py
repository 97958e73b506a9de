"""Means over the area of each spot, on its own slide or on another one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from jaxtyping import Bool, Float, UInt8

from histoscribe.data.tissue import TissueMask
from histoscribe.explain.where.against.landmarks import Affine
from histoscribe.types import Slide, Spots

READ_MPP = 1.0
"""um per px at which another slide is read: finer detail does not change the mean of a spot."""
_SIDE = 15  # points across a spot where a mask is looked up
_BLOCK = 1000  # spots looked up at a time

Measure = Callable[[UInt8[np.ndarray, "P P 3"]], Float[np.ndarray, "P P"]]


@final
@dataclass(frozen=True, eq=False)
class SlideAreas:
    """The areas that the spots of a section cover on a slide: their own, or another one."""

    spots: Spots
    spot_mpp: float
    """um per px of the section's slide."""
    slide: Slide
    mask: TissueMask
    """Tissue of `slide`."""
    affine: Affine
    """From px of the section's slide to px of `slide`."""

    def tissue_share(self) -> Float[np.ndarray, " N"]:
        """Share of tissue in the area of each spot, 0..1."""
        area = self._area
        return np.array([inside.sum() / area.sum() for _, inside in self._squares()])

    def means(self, measure: Measure) -> Float[np.ndarray, " N"]:
        """Mean of a measure of px over the tissue in the area of each spot; NaN without tissue."""
        value = np.full(len(self.spots), np.nan)
        for spot, (xy, inside) in enumerate(self._squares()):
            if inside.any():
                pixels = self.slide.read(xy, len(inside), self._mpp)
                value[spot] = measure(pixels)[inside].mean()
        return value

    def _squares(self) -> Iterator[tuple[tuple[float, float], Bool[np.ndarray, "P P"]]]:
        """Centre of the square around each spot, and the tissue of the spot in it."""
        area = self._area
        for x, y in self.affine(self.spots.xy):
            xy = (float(x), float(y))
            yield xy, area & self.mask.tile(xy, len(area), self._mpp)

    @property
    def _mpp(self) -> float:
        return max(self.slide.mpp, READ_MPP)

    @cached_property
    def _area(self) -> Bool[np.ndarray, "P P"]:
        """The area of a spot in the square around it."""
        step = self._mpp / self.slide.mpp
        outline = self.spots.outline(self.spots.drawn_um / self.spot_mpp)
        reach = np.abs(outline @ self.affine.matrix.T).max()
        side_px = 2 * int(np.ceil(reach / step)) + 1
        offset = (np.arange(side_px) + 0.5 - side_px / 2) * step
        square = np.stack(np.meshgrid(offset, offset), axis=-1).reshape(-1, 2)
        um = square @ self.affine.inverse.matrix.T * self.spot_mpp
        return _covers(self.spots, um).reshape(side_px, side_px)


def share_inside(
    spots: Spots, spot_mpp: float, inside: Bool[np.ndarray, "height width"], to_mask: Affine
) -> Float[np.ndarray, " N"]:
    """Share of each spot's area that lies inside a mask; NaN for a spot off the picture.

    `to_mask` leads from px of the section's slide to px of the mask.
    """
    width_px = spots.drawn_um / spot_mpp
    line = (np.arange(_SIDE) + 0.5) / _SIDE - 0.5
    offset = np.stack(np.meshgrid(line, line), axis=-1).reshape(-1, 2) * width_px
    offset = offset[_covers(spots, offset * spot_mpp)]
    share = np.empty(len(spots))
    for start in range(0, len(spots), _BLOCK):
        xy = spots.xy[start : start + _BLOCK, None] + offset
        column, row = np.floor(to_mask(xy.reshape(-1, 2))).astype(np.int64).T
        height, width = inside.shape
        known = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        value = np.full(len(row), np.nan)
        value[known] = inside[row[known], column[known]]
        share[start : start + len(xy)] = value.reshape(xy.shape[:2]).mean(axis=1)
    return share


def _covers(spots: Spots, um: Float[np.ndarray, "M 2"]) -> Bool[np.ndarray, " M"]:
    """Whether a spot covers places at these distances from its centre."""
    if spots.shape == "squares":
        return (np.abs(um) <= spots.drawn_um / 2).all(axis=1)
    return np.hypot(*um.T) <= spots.drawn_um / 2
