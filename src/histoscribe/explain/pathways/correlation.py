"""Correlation of maps given depth, and what it is by chance."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Float

from histoscribe.explain.surrogates import correlation_draws, tile_means

_ROUNDING = 1e-6  # of the largest value of a map: what varies by less is constant


@final
@dataclass(frozen=True, eq=False)
class MapAgreement:
    """Correlation of the map of each pathway with its measured activity, in one section."""

    value: Float[np.ndarray, " P"]
    """Given depth; NaN where the activity is constant, 0 where only the map is."""
    plain: Float[np.ndarray, " P"]
    """Without regard to depth."""
    random_sets: Float[np.ndarray, "sets P"]
    """Of the map with the activity of random sets, given depth."""
    smooth_maps: Float[np.ndarray, "draws P"]
    """Of equally smooth random maps with the activity, given depth. The draws of all pathways of a
    section have the same waves."""
    random_networks: Float[np.ndarray, "networks P"]
    """Of the maps of networks with random weights, given depth."""


def of_tiles(
    maps: Float[np.ndarray, "N k"], um: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "N k"]:
    """Maps averaged over tiles above 3,000 places, as surrogates are of such maps; else the same.

    Means of spots are less noisy than spots, so value and draws must be of one kind.
    """
    return np.stack([tile_means(column, um) for column in maps.T], axis=1)


def unit_maps(
    values: Float[np.ndarray, "N P"], depth: Float[np.ndarray, " N"] | None = None
) -> Float[np.ndarray, "N P"]:
    """Maps with mean 0 and length 1, without what is linear in depth.

    The product of two is their partial correlation. Zero for a map that is constant, or that
    depth explains whole.
    """
    centred = values - values.mean(axis=0)
    if depth is not None:
        step = depth - depth.mean()
        length = step @ step
        if length > 0:
            centred = centred - np.outer(step, step @ centred / length)
    norm = np.linalg.norm(centred, axis=0)
    least = _ROUNDING * np.sqrt(len(values)) * np.abs(values).max(axis=0)
    varies = norm > least
    return np.where(varies, centred, 0.0) / np.where(varies, norm, 1.0)


def correlations(
    unit: Float[np.ndarray, "N P"], measured: Float[np.ndarray, "N P"]
) -> Float[np.ndarray, " P"]:
    """Correlation of pairs of `unit_maps`; NaN where the measured map is constant."""
    known = (measured != 0).any(axis=0)
    return np.where(known, (unit * measured).sum(axis=0), np.nan)


def by_smooth_maps(
    unit: Float[np.ndarray, "N P"],
    measured: Float[np.ndarray, "N P"],
    um: Float[np.ndarray, "N 2"],
    seed: int,
) -> Float[np.ndarray, "draws P"]:
    """Correlation of equally smooth random maps in place of each map; NaN as in `correlations`.

    Above 3,000 places the draws are of maps averaged over tiles: give what `of_tiles` returns, so
    that `correlations` of the same maps compare with them.
    """
    known = (measured != 0).any(axis=0)
    return np.where(known, correlation_draws(unit, measured, um, seed), np.nan)
