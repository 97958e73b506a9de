"""Segmentation of nuclei from the density of haematoxylin.

Smoothing, a local threshold, and a watershed on the distance to the background that separates
nuclei which touch. It was made for tiles of 0.25 to 0.7 um/px.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import ndimage
from skimage.feature import peak_local_max
from skimage.filters import gaussian
from skimage.measure import regionprops_table
from skimage.morphology import disk
from skimage.segmentation import watershed

_SMOOTHING_UM = 0.35
_AROUND_UM = 8.0
"""Deviation of the Gaussian window of the local threshold: a few nuclei wide."""
_ABOVE_AROUND = 0.05
"""Optical density by which a px exceeds the mean around it to count as dark."""
_THRESHOLD = 0.33
"""Between the local density of the background (0) and of the nuclei (1)."""
_LEAST_STEP = 0.05
"""Optical density by which a nucleus exceeds the background at least."""
_USUAL_CONTRAST = 0.3
"""Of nuclei to their background, where there are none around to tell it."""
_USUAL_WEIGHT = 1e-3
"""Share of dark px in the window that weighs as much as the usual contrast."""
_PALE = 0.06
"""Density of haematoxylin below which a px is an empty space, and no background to compare with."""
_OPENING_UM = 0.75
_LARGEST_HOLE_UM2 = 10.0
_DISTANCE_SMOOTHING_UM = 0.5
_LEAST_GAP_UM = 2.0
"""Between the centres of two nuclei."""
_AREA_UM2 = (12.0, 250.0)
"""Smaller is a speck, larger is keratin, ink or a clump that nothing separates."""
_TRUNCATE = 3.0  # deviations that a Gaussian window reaches to either side


@dataclass(frozen=True, eq=False)
class SegmentedNuclei:
    """Nuclei of one image, in the order of their labels."""

    label: Int[np.ndarray, "h w"]
    """Number of the nucleus of each px, from 1; 0 is background."""
    xy_um: Float[np.ndarray, "M 2"]
    """Centroids, from the upper left corner of the image."""
    area_um2: Float[np.ndarray, " M"]
    eccentricity: Float[np.ndarray, " M"]
    """Of the ellipse with the same second moments: 0 for a circle, below 1."""
    at_border: Bool[np.ndarray, " M"]
    """Whether the border of the image cuts the nucleus."""

    def __len__(self) -> int:
        return len(self.area_um2)


def segment_nuclei(haematoxylin: Float[np.ndarray, "h w"], mpp: float) -> SegmentedNuclei:
    """Find the nuclei of an image from its density of haematoxylin."""
    smooth = gaussian(haematoxylin, _SMOOTHING_UM / mpp)
    label = _separated(_nuclear(smooth, mpp), mpp)
    height, width = label.shape
    table = regionprops_table(label, properties=("area", "bbox", "centroid", "eccentricity"))
    low = np.minimum(table["bbox-0"], table["bbox-1"])
    cut = (low == 0) | (table["bbox-2"] == height) | (table["bbox-3"] == width)
    return SegmentedNuclei(
        label=label,
        xy_um=(np.stack([table["centroid-1"], table["centroid-0"]], axis=1) + 0.5) * mpp,
        area_um2=table["area"] * mpp**2,
        eccentricity=table["eccentricity"],
        at_border=cut,
    )


def _nuclear(smooth: Float[np.ndarray, "h w"], mpp: float) -> Bool[np.ndarray, "h w"]:
    """Px of nuclei, without specks and holes.

    What is darker than its surroundings gives the local density of nuclei and of the background
    between them; the threshold lies between the two, so a crowd of nuclei does not raise it.
    """
    tissue = smooth > _PALE
    around = _window_mean(smooth * tissue, mpp) / _at_least_one_px(_window_mean(tissue, mpp))
    dark = tissue & (smooth > around + _ABOVE_AROUND)
    ground = tissue & ~dark
    background = _window_mean(smooth * ground, mpp) / _at_least_one_px(_window_mean(ground, mpp))
    share = _window_mean(dark, mpp)
    excess = _window_mean(smooth * dark, mpp) - background * share
    contrast = (excess + _USUAL_WEIGHT * _USUAL_CONTRAST) / (share + _USUAL_WEIGHT)
    threshold = background + np.maximum(_THRESHOLD * contrast, _LEAST_STEP)
    solid = _filled(smooth > threshold, _LARGEST_HOLE_UM2 / mpp**2)
    return np.asarray(ndimage.binary_opening(solid, disk(round(_OPENING_UM / mpp))))


def _window_mean(values: np.ndarray, mpp: float) -> Float[np.ndarray, "h w"]:
    """Mean in a Gaussian window around each px."""
    return gaussian(values.astype(np.float64), _AROUND_UM / mpp, truncate=_TRUNCATE)


def _at_least_one_px(share: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Share of a window as a divisor: no window is empty."""
    return np.maximum(share, 1e-3)


def _filled(mask: Bool[np.ndarray, "h w"], largest_px: float) -> Bool[np.ndarray, "h w"]:
    """The mask with its small holes filled."""
    hole, _ = ndimage.label(~mask)
    small = np.bincount(hole.ravel()) <= largest_px
    small[0] = False
    return mask | small[hole]


def _separated(nuclear: Bool[np.ndarray, "h w"], mpp: float) -> Int[np.ndarray, "h w"]:
    """Label of each nucleus, numbered without gaps; touching nuclei are cut at their waist."""
    distance = gaussian(ndimage.distance_transform_edt(nuclear), _DISTANCE_SMOOTHING_UM / mpp)
    peaks = peak_local_max(
        distance, min_distance=max(1, round(_LEAST_GAP_UM / mpp)), exclude_border=False
    )
    inside = peaks[nuclear[tuple(peaks.T)]]
    seeds = np.zeros(nuclear.shape, dtype=np.int64)
    seeds[tuple(inside.T)] = np.arange(1, len(inside) + 1)
    label = watershed(-distance, seeds, mask=nuclear)
    area_um2 = np.bincount(label.ravel()) * mpp**2
    keep = (area_um2 >= _AREA_UM2[0]) & (area_um2 <= _AREA_UM2[1])
    keep[0] = False
    return (np.cumsum(keep) * keep)[label]
