"""Strength of both stains of a tile, as little as possible that of its tissue."""

import numpy as np

from histoscribe.data.tile_measures.stained_tile import StainedTile

_STRONGEST = 99.0
"""Percentile of the tissue px: the mean would follow how many nuclei a tile has."""


def haematoxylin_strength(tile: StainedTile) -> float:
    """Optical density of haematoxylin that 1 % of the tissue exceeds.

    The 99th percentile as the strength of a stain is that of Macenko et al. 2009
    (doi:10.1109/ISBI.2009.5193250).
    """
    return float(np.percentile(tile.stain[tile.tissue, 0], _STRONGEST))


def eosin_strength(tile: StainedTile) -> float:
    """Optical density of eosin that 1 % of the tissue exceeds; see `haematoxylin_strength`."""
    return float(np.percentile(tile.stain[tile.tissue, 1], _STRONGEST))
