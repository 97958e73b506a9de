"""Number, size, shape and chromatin of the nuclei of a tile."""

import numpy as np
from scipy import ndimage

from histoscribe.explain.concepts.stained_tile import StainedTile

_RIM_UM = 0.7
"""Left out of the contrast of chromatin: the edge of a nucleus is half cytoplasm."""


def nuclear_density(tile: StainedTile) -> float:
    """Nuclei per mm2 of tissue; one that the border cuts counts half."""
    nuclei = tile.nuclei
    return float((1.0 - 0.5 * nuclei.at_border).sum()) / tile.tissue_mm2


def nuclear_area(tile: StainedTile) -> float:
    """Mean area in um2 of the whole nuclei; undefined without one."""
    return _mean_of_whole(tile, tile.nuclei.area_um2)


def nuclear_eccentricity(tile: StainedTile) -> float:
    """Mean eccentricity of the whole nuclei; undefined without one."""
    return _mean_of_whole(tile, tile.nuclei.eccentricity)


def chromatin_contrast(tile: StainedTile) -> float:
    """Mean over nuclei of the deviation of haematoxylin within one, divided by its mean."""
    label = tile.nuclei.label
    if not len(tile.nuclei):
        return float("nan")
    inner = np.where(_edge_distance_um(label, tile.mpp) > _RIM_UM, label, 0)
    ids = np.unique(inner[inner > 0])
    if not ids.size:
        return float("nan")
    density = tile.stain[..., 0]
    mean = ndimage.mean(density, inner, ids)
    deviation = ndimage.standard_deviation(density, inner, ids)
    return float(np.mean(deviation / mean))


def _edge_distance_um(label: np.ndarray, mpp: float) -> np.ndarray:
    """Distance of each px to the edge of its nucleus."""
    apart = (ndimage.maximum_filter(label, 3) != label) | (
        ndimage.minimum_filter(label, 3) != label
    )
    return np.asarray(ndimage.distance_transform_edt(~apart & (label > 0))) * mpp


def _mean_of_whole(tile: StainedTile, values: np.ndarray) -> float:
    whole = values[~tile.nuclei.at_border]
    return float(whole.mean()) if whole.size else float("nan")
