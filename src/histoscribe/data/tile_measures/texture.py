"""Texture of the tissue of a tile: how strongly it varies, and over which distance."""

import numpy as np
from jaxtyping import Float
from skimage.feature import graycomatrix

from histoscribe.data.tile_measures.stained_tile import StainedTile

_DISTANCE_UM = 2.0
_N_LEVELS = 32
_DARKEST = 1.2  # optical density of the last level; little in a section is darker
_ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)


def texture_contrast(tile: StainedTile) -> float:
    """Root mean square difference of the optical density of two points 2 um apart."""
    pairs = _pairs(tile)
    level = np.arange(_N_LEVELS) * _DARKEST / (_N_LEVELS - 1)
    return float(np.sqrt((pairs * (level[:, None] - level) ** 2).sum()))


def texture_correlation(tile: StainedTile) -> float:
    """Correlation of the optical density of two points 2 um apart; undefined in flat tissue."""
    pairs = _pairs(tile)
    level = np.arange(_N_LEVELS) - pairs.sum(axis=1) @ np.arange(_N_LEVELS)
    variance = float(pairs.sum(axis=1) @ level**2)
    if variance == 0.0:
        return float("nan")
    return float(level @ pairs @ level) / variance


def _pairs(tile: StainedTile) -> Float[np.ndarray, "levels levels"]:
    """Share of the pairs of tissue px, 2 um apart, that have each pair of levels.

    Grey-level co-occurrence of Haralick et al. 1973 (doi:10.1109/TSMC.1973.4309314), mean over
    four directions; level 0 is kept for px off the tissue, whose pairs are left out.
    """
    step = (_N_LEVELS - 1) / _DARKEST
    level = 1 + np.clip(np.rint(tile.darkness * step), 0, _N_LEVELS - 1).astype(np.uint8)
    level[~tile.tissue] = 0
    distance_px = max(1, round(_DISTANCE_UM / tile.mpp))
    count = graycomatrix(level, [distance_px], _ANGLES, levels=_N_LEVELS + 1, symmetric=True)
    pairs = count[1:, 1:, 0].sum(axis=-1).astype(np.float64)
    return pairs / max(pairs.sum(), 1.0)
