"""Number, size, shape and chromatin of the nuclei of a tile."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from histoscribe.data.tile_measures.stained_tile import StainedTile

_RIM_UM = 0.7
"""Left out of the contrast of chromatin: the edge of a nucleus is half cytoplasm."""

_LEAST_NUCLEI = 5  # for a mean distance between them


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
    """Mean over nuclei of the deviation of haematoxylin within one, divided by its mean.

    Undefined without a nucleus that has px inside its rim.
    """
    label = tile.nuclei.label
    inner = _edge_distance_um(label, tile.mpp) > _RIM_UM
    if not inner.any():
        return float("nan")
    _, of_px = np.unique(label[inner], return_inverse=True)
    density, n_px = tile.stain[..., 0][inner], np.bincount(of_px)
    mean = np.bincount(of_px, density) / n_px
    variance = np.bincount(of_px, (density - mean[of_px]) ** 2) / n_px
    return float(np.mean(np.sqrt(variance) / mean))


def nuclear_spacing(tile: StainedTile) -> float:
    """Mean distance to the nearest nucleus, relative to that of equally many random points.

    Clark and Evans 1954 (doi:10.2307/1931034) with the correction for borders of Donnelly 1978:
    1 for random places, more for regular ones, less for clusters. Undefined below 5 nuclei.
    """
    n, area_um2 = len(tile.nuclei), tile.tissue_mm2 * 1e6
    if n < _LEAST_NUCLEI:
        return float("nan")
    distance, _ = cKDTree(tile.nuclei.xy_um).query(tile.nuclei.xy_um, k=2)
    border_um = 4.0 * tile.pixels.shape[0] * tile.mpp
    random_um = 0.5 * np.sqrt(area_um2 / n) + (0.0514 + 0.041 / np.sqrt(n)) * border_um / n
    return float(distance[:, 1].mean() / random_um)


def _edge_distance_um(label: np.ndarray, mpp: float) -> np.ndarray:
    """Distance of each px to the edge of its nucleus."""
    apart = (ndimage.maximum_filter(label, 3) != label) | (
        ndimage.minimum_filter(label, 3) != label
    )
    return np.asarray(ndimage.distance_transform_edt(~apart & (label > 0))) * mpp


def _mean_of_whole(tile: StainedTile, values: np.ndarray) -> float:
    whole = values[~tile.nuclei.at_border]
    return float(whole.mean()) if whole.size else float("nan")
