"""Slides of the cohort of a run, each opened when it is first looked at."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from jaxtyping import UInt8

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.cohorts.cohort import read_cohort
from histoscribe.io.slides.region import RegionSlide
from histoscribe.types import Spots
from histoscribe.viewer.exemplars import TileSize

_KEPT = 64
_REMEDY = "give the slide with --slide, or put the cohort back in its place"


@dataclass(frozen=True, eq=False)
class PlacedSlide:
    """A slide with its spots, without counts."""

    slide: RegionSlide
    spots: Spots

    def tile(self, spot: str, size: TileSize) -> UInt8[np.ndarray, "P P 3"]:
        """Tile of a spot, as a predictor reads it."""
        x, y = self.spots.xy[self.spots.ids.index(spot)]
        return self.slide.read((float(x), float(y)), size.side_px, size.mpp)


class CohortSlides:
    """Slides by the names of their sections."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.open = lru_cache(maxsize=_KEPT)(self._open)

    def fitting(self, section: str, spots: Spots) -> PlacedSlide:
        """Open the slide of a section, if its spots lie at these places.

        Raises
        ------
        DataContractError
            for a cohort that is no longer there, and for other places.
        """
        placed = self.open(section)
        row = {spot: place for place, spot in enumerate(placed.spots.ids)}
        at = np.array([row.get(spot, -1) for spot in spots.ids])
        if at.min() < 0 or not np.array_equal(placed.spots.xy[at], spots.xy):
            raise DataContractError(
                Problem(
                    where=f"section {section}",
                    found="other places than at the time of the run",
                    expected="the cohort of the run",
                    remedy=_REMEDY,
                )
            )
        return placed

    def _open(self, section: str) -> PlacedSlide:
        of = read_cohort(self._source, [section])[section]
        if not isinstance(of.slide, RegionSlide):
            raise TypeError(f"the slide of section {section} gives no regions")
        return PlacedSlide(of.slide, of.spots)
