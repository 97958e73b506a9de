"""Gains of the stain that differ from tile to tile."""

from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy.ndimage import gaussian_filter

from histoscribe.simulate.tissue import CELL_UM, OUTSIDE, TUMOUR, Tissue

STAIN_GAINS = ("none", "independent", "tied")
"""Gains of a cohort by the name that `simulate` takes: none; free of the tissue in every patient;
or tied to the tumour share in training patients and free of it in test patients."""
_DEVIATION = 0.35
"""Of the logarithm of each gain: two neighbouring tiles differ by a factor of 1.4 in the median."""
_TIE = 0.8
"""Correlation of the logarithm of a gain with the tumour share, where gains are tied to it."""
_TUMOUR_SHARE = (0.45, 0.29)
"""Mean and deviation of the tumour share of a tile, over 36 patients of 12 seeds."""
_EDGE_UM = 8.0
"""Width over which the gains of two neighbouring tiles pass into each other."""


def gains_of_patient(
    stain_gains: str, number: int, n_patients: int
) -> Literal["none", "free", "tied"]:
    """Gains of a patient, by number from 0: in a cohort of tied ones, free in the last third."""
    if stain_gains == "tied" and number < n_patients - max(1, round(n_patients / 3)):
        return "tied"
    return "none" if stain_gains == "none" else "free"


def draw_stain_gain(
    tissue: Tissue, rng: np.random.Generator, *, tied: bool
) -> Float[np.ndarray, "K 2"]:
    """Factor of haematoxylin and of eosin around each array position.

    Free gains are drawn for each position and each stain by themselves. Tied ones of both stains
    rise with the tumour share around the position, and have the same deviation.
    """
    drawn = rng.standard_normal((len(tissue.xy_um), 2))
    if tied:
        mean, deviation = _TUMOUR_SHARE
        share = (_tumour_share(tissue)[:, None] - mean) / deviation
        drawn = _TIE * share + np.sqrt(1.0 - _TIE**2) * drawn
    return np.exp(_DEVIATION * np.clip(drawn, -2.5, 2.5))


def gain_maps(
    tissue: Tissue, gain: Float[np.ndarray, "K 2"]
) -> tuple[Float[np.ndarray, "h w"], Float[np.ndarray, "h w"]]:
    """Gain of both stains in each cell, with soft edges between the tiles."""
    haematoxylin, eosin = (
        gaussian_filter(of_stain[tissue.patch], _EDGE_UM / CELL_UM) for of_stain in gain.T
    )
    return haematoxylin, eosin


def _tumour_share(tissue: Tissue) -> Float[np.ndarray, " K"]:
    """Share of tumour in the tissue nearest to each array position; 0 where there is none."""
    n, patch = len(tissue.xy_um), tissue.patch.ravel()
    kind = tissue.compartment.ravel()
    solid = np.bincount(patch, kind != OUTSIDE, n)
    return np.bincount(patch, kind == TUMOUR, n) / np.maximum(solid, 1.0)
