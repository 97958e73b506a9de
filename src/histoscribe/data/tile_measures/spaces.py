"""Pale spaces of a tile: lumina, and the vacuoles of fat cells."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from histoscribe.data.tile_measures.stained_tile import StainedTile

_PALE = 0.08
"""Optical density below which a px is empty."""
_LEAST_AREA_UM2 = 60.0
_RIM_UM = 8.0
"""Width of the rim of a space in which its walls are judged: septa of fat are thinner."""
_BEYOND_SEPTUM = 0.1
"""Share of pale px in the rim of a space above which its walls are septa."""
_TOUCH_PX = 2


@dataclass(frozen=True, eq=False)
class Spaces:
    """Pale px of a tile, by kind."""

    lumen: Bool[np.ndarray, "P P"]
    fat: Bool[np.ndarray, "P P"]


def lumen_share(tile: StainedTile) -> float:
    """Share of the tissue that is lumen, 0..1."""
    return float(spaces_of(tile).lumen.sum() / tile.tissue.sum())


def fat_share(tile: StainedTile) -> float:
    """Share of the tissue that is the vacuole of a fat cell, 0..1."""
    return float(spaces_of(tile).fat.sum() / tile.tissue.sum())


def spaces_of(tile: StainedTile) -> Spaces:
    """Tell the pale spaces of a tile apart.

    Thin septa separate fat cells, so beyond the wall of one it is pale again; a lumen has cells
    around it. What touches the white off the tissue is glass, unless it is fat.
    """
    pale = (tile.darkness < _PALE) & tile.tissue
    label, _ = ndimage.label(pale)
    off_tissue = ndimage.binary_dilation(~tile.tissue, iterations=_TOUCH_PX)
    lumen, fat = np.zeros_like(pale), np.zeros_like(pale)
    reach = int(np.ceil(_RIM_UM / tile.mpp))
    for number, box in enumerate(ndimage.find_objects(label), start=1):
        window = tuple(slice(max(side.start - reach, 0), side.stop + reach) for side in box)
        space = label[window] == number
        if space.sum() * tile.mpp**2 < _LEAST_AREA_UM2:
            continue
        near = ndimage.distance_transform_edt(~space) * tile.mpp <= _RIM_UM
        rim = near & ~space & tile.tissue[window]
        if rim.any() and pale[window][rim].mean() > _BEYOND_SEPTUM:
            fat[window] |= space
        elif not (space & off_tissue[window]).any():
            lumen[window] |= space
    return Spaces(lumen, fat)
