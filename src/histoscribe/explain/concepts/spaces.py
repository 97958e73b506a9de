"""Pale spaces of a tile: lumina, and the vacuoles of fat cells."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool
from scipy import ndimage

from histoscribe.explain.concepts.stained_tile import StainedTile

_PALE = 0.08
"""Optical density below which a px is empty."""
_LEAST_AREA_UM2 = 80.0
_RIM_UM = 8.0
_SEPTUM = 0.5
"""Share of pale px in the rim of a space above which walls are septa of fat."""


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
    around it.
    """
    pale = (tile.darkness < _PALE) & tile.tissue
    label, n_spaces = ndimage.label(pale)
    large = np.bincount(label.ravel(), minlength=n_spaces + 1) * tile.mpp**2 >= _LEAST_AREA_UM2
    large[0] = False
    fat = np.zeros(n_spaces + 1, dtype=bool)
    for space in np.flatnonzero(large):
        inside = label == space
        near = ndimage.distance_transform_edt(~inside) * tile.mpp
        rim = (near > 0) & (near <= _RIM_UM) & tile.tissue
        fat[space] = bool(rim.any() and pale[rim].mean() > _SEPTUM)
    return Spaces(lumen=(large & ~fat)[label], fat=fat[label])
