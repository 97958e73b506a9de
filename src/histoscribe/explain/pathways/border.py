"""Distance of spots from the border of a labelled region, and means of maps by distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial import cKDTree

from histoscribe.explain.surrogates import N_DRAWS, surrogates

N_BANDS = 5
"""Bands on each side of the border; the last one on each side is open."""
LEAST_SPOTS = 5
"""Spots in a band whose mean counts."""
_FEWEST_BANDS = 3  # a correlation of two means is 1 or -1


@final
@dataclass(frozen=True, eq=False)
class BorderBands:
    """Bands of equal distance from the border of a region, in one section."""

    distance_um: Float[np.ndarray, " N"]
    """Below zero inside; NaN without a label."""
    band: Int[np.ndarray, " N"]
    """From -N_BANDS, deep inside, to N_BANDS - 1; N_BANDS for spots without a label."""
    width_um: float

    @classmethod
    def of(
        cls,
        um: Float[np.ndarray, "N 2"],
        labels: Sequence[str | None],
        border: str,
        width_um: float,
    ) -> "BorderBands":
        """Measure the distance to the nearest spot on the other side.

        The border lies in the middle between the two nearest spots of both sides, so half of their
        distance is taken off.
        """
        labelled = np.array([label is not None for label in labels], dtype=bool)
        inside = np.array([label == border for label in labels], dtype=bool)
        outside = labelled & ~inside
        from_inside, _ = cKDTree(um[outside]).query(um[inside])
        from_outside, _ = cKDTree(um[inside]).query(um[outside])
        half_um = from_inside.min() / 2
        distance = np.full(len(um), np.nan)
        distance[inside], distance[outside] = half_um - from_inside, from_outside - half_um
        band = np.full(len(um), N_BANDS)
        steps = np.floor(np.abs(distance[labelled]) / width_um + 1e-6).astype(np.int64)
        steps = np.minimum(steps, N_BANDS - 1)
        band[labelled] = np.where(inside[labelled], -1 - steps, steps)
        return cls(distance, band, width_um)

    def n_spots(self) -> Int[np.ndarray, " bands"]:
        """Spots of each band, from deep inside outwards."""
        return np.array([(self.band == band).sum() for band in range(-N_BANDS, N_BANDS)])

    def means(self, maps: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "bands P"]:
        """Mean of each map in each band; NaN with few spots."""
        n_spots = self.n_spots()
        weight = np.stack([self.band == band for band in range(-N_BANDS, N_BANDS)])
        enough = (n_spots >= LEAST_SPOTS)[:, None]
        return np.where(enough, weight @ maps / np.maximum(n_spots, 1)[:, None], np.nan)


@final
@dataclass(frozen=True, eq=False)
class BorderProfiles:
    """Means of scores and of measured activity by distance, in one section."""

    bands: BorderBands
    scores: Float[np.ndarray, "bands P"]
    """In standard deviations of the section, without what is linear in depth."""
    measured: Float[np.ndarray, "bands P"]
    """The same of measured activity."""
    smooth_maps: Float[np.ndarray, "draws bands P"]
    """Scores replaced by equally smooth random maps."""
    value: Float[np.ndarray, " P"]
    """Correlation of both profiles over the bands; NaN with fewer than three."""
    by_chance: Float[np.ndarray, "draws P"]
    """The same of equally smooth random maps."""

    @classmethod
    def of(
        cls,
        bands: BorderBands,
        scores: Float[np.ndarray, "N P"],
        measured: Float[np.ndarray, "N P"],
        um: Float[np.ndarray, "N 2"],
        seed: int,
    ) -> "BorderProfiles":
        """Profiles of `unit_maps` of a section."""
        size = np.sqrt(len(um))
        drawn = np.stack(
            [_smooth_profiles(bands, map_, um, seed) for map_ in size * scores.T], axis=2
        )
        profiles = bands.means(size * scores), bands.means(size * measured)
        chance = np.stack([_over_bands(of_draw, profiles[1]) for of_draw in drawn])
        return cls(bands, *profiles, drawn, _over_bands(*profiles), chance)


def _smooth_profiles(
    bands: BorderBands, values: Float[np.ndarray, " N"], um: Float[np.ndarray, "N 2"], seed: int
) -> Float[np.ndarray, "draws bands"]:
    drawn = surrogates(values, um, N_DRAWS, seed)
    if not np.isfinite(drawn).all():  # a constant map
        drawn = np.zeros_like(drawn)
    return bands.means(drawn.T).T


def _over_bands(
    first: Float[np.ndarray, "bands P"], second: Float[np.ndarray, "bands P"]
) -> Float[np.ndarray, " P"]:
    known = np.isfinite(first).all(axis=1) & np.isfinite(second).all(axis=1)
    if known.sum() < _FEWEST_BANDS:
        return np.full(first.shape[1], np.nan)
    one, other = (part[known] - part[known].mean(axis=0) for part in (first, second))
    norm = np.linalg.norm(one, axis=0) * np.linalg.norm(other, axis=0)
    total = (one * other).sum(axis=0)
    return np.where(norm > 0, total / np.where(norm > 0, norm, 1.0), 0.0)


def both_sides(labels: Sequence[str | None], border: str) -> Bool[np.ndarray, " two"]:
    """Whether there are spots inside the region, and labelled ones outside."""
    return np.array(
        [border in labels, any(label not in (None, border) for label in labels)], dtype=bool
    )
