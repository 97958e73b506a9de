"""Labels permuted over patients: what the numbers are when labels have nothing to do with tiles.

The labels of a patient stay together. Of a bag model each patient gets the label of another one. Of
a model of spots each section gets the map of labels of a section of another patient, turned or
mirrored at random and stretched to its outline: the labels keep their values and their smoothness,
and lose their tissue.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import final

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from histoscribe.explain.levels.spots import LevelSpots
from histoscribe.seed import stream

N_DRAWS = 499
"""Permutations; the least p-value is 0.002."""
FEWEST_PATIENTS = 6
"""Fewer patients have too few permutations for a p-value."""
_SEED = 0  # of permutations; nobody needs another one
_ORIENTATIONS = 8  # quarter turns of a map, and of its mirror image


def permuted_labels(
    spots: LevelSpots, label: Float[np.ndarray, " N"], tiles: Int[np.ndarray, " n"]
) -> Float[np.ndarray, "draws n"]:
    """Labels of these tiles (rows of the spots) under each permutation."""
    rng = stream(_SEED, "explain-levels-permutations")
    if spots.of_patients is not None:
        first = _first_of_patients(spots)
        of_tile, of_patient = spots.patient[tiles], label[first]
        return np.stack([rng.permutation(of_patient)[of_tile] for _ in range(N_DRAWS)])
    maps = _LabelMaps(spots, label, tiles)
    return np.stack([maps.draw(rng) for _ in range(N_DRAWS)])


def _first_of_patients(spots: LevelSpots) -> Int[np.ndarray, " P"]:
    return np.searchsorted(spots.patient, np.arange(len(spots.patients)))


@final
@dataclass(frozen=True, eq=False)
class _LabelMaps:
    """Label maps of sections, and the tiles below them."""

    spots: LevelSpots
    label: Float[np.ndarray, " N"]
    tiles: Int[np.ndarray, " n"]
    _nearest: dict[tuple[int, int, int], Int[np.ndarray, " k"]] = field(default_factory=dict)
    """Section, section of the other map, its orientation -> its spot at each tile."""

    def draw(self, rng: np.random.Generator) -> Float[np.ndarray, " n"]:
        """Lay the map of another patient over each section."""
        labels = np.empty(len(self.tiles))
        groups = self._sections
        for group, other in zip(groups, rng.permutation(len(groups)), strict=True):
            donors = groups[other]
            for number, section in enumerate(group):
                way = int(rng.integers(_ORIENTATIONS))
                donor = donors[number % len(donors)]
                at = self.spots.section[self.tiles] == section
                labels[at] = self.label[self._laid(section, donor, way)]
        return labels

    @property
    def _sections(self) -> Sequence[Sequence[int]]:
        """Sections of each patient that have spots."""
        section, patient = self.spots.section, self.spots.patient
        groups = [np.unique(section[patient == one]).tolist() for one in np.unique(patient)]
        return [group for group in groups if group]

    def _laid(self, section: int, donor: int, way: int) -> Int[np.ndarray, " k"]:
        key = section, donor, way
        if key not in self._nearest:
            rows = np.flatnonzero(self.spots.section == donor)
            tree = cKDTree(_turned(_unit_box(self._um(rows), self._um(rows)), way))
            at = self.tiles[self.spots.section[self.tiles] == section]
            outline = self._um(np.flatnonzero(self.spots.section == section))
            self._nearest[key] = rows[tree.query(_unit_box(self._um(at), outline))[1]]
        return self._nearest[key]

    def _um(self, rows: Int[np.ndarray, " k"]) -> Float[np.ndarray, "k 2"]:
        section = self.spots.sections[self.spots.section[rows[0]]] if len(rows) else None
        if section is None:
            return np.zeros((0, 2))
        return section.spots.xy[self.spots.row[rows]] * section.slide.mpp


def _unit_box(
    um: Float[np.ndarray, "k 2"], outline: Float[np.ndarray, "m 2"]
) -> Float[np.ndarray, "k 2"]:
    """Places in -0.5 to 0.5 of the box around the outline."""
    low, high = outline.min(axis=0), outline.max(axis=0)
    return (um - low) / np.maximum(high - low, 1e-9) - 0.5


def _turned(places: Float[np.ndarray, "k 2"], way: int) -> Float[np.ndarray, "k 2"]:
    x, y = places.T
    turned = {0: (x, y), 1: (-y, x), 2: (-x, -y), 3: (y, -x)}[way % 4]
    return np.stack(turned if way < 4 else (-turned[0], turned[1]), axis=1)
