"""Tiles of sections with their measures and genes, and random concepts on the same places."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float, Int

from histoscribe.explain.concepts.vectors import FEWEST_GROUPS
from histoscribe.explain.surrogates import surrogates
from histoscribe.seed import integer, stream
from histoscribe.types import Section, SpotKeys

N_RANDOM_CONCEPTS = 99
"""Random concepts for each measured one: the least p-value is 0.01."""
FEWEST_TILES = 20
"""A measure that fewer tiles have is left undefined."""
_SEED = 0  # of tiles and of random concepts; nobody needs another one
_CONSTANT = 1e-9


def tile_rows(section: Section, n_tiles: int) -> Int[np.ndarray, " n"]:
    """Spots of a section whose tiles are read: at random, in the order of the spots."""
    order = stream(_SEED, f"explain-concepts-{section.id}").permutation(len(section.spots))
    return np.sort(order[:n_tiles])


@final
@dataclass(frozen=True, eq=False)
class ConceptTiles:
    """Values of concepts on tiles of several sections."""

    keys: SpotKeys
    um: Float[np.ndarray, "N 2"]
    """Place in the section, um."""
    names: tuple[str, ...]
    """Of the concepts."""
    values: Float[np.ndarray, "N M"]
    """NaN where a concept is undefined."""

    @property
    def by_section(self) -> list[tuple[str, Int[np.ndarray, " n"]]]:
        """Name and rows of each section."""
        return [(name, rows) for name, _, rows in self.keys.by_section()]

    @property
    def held_out(self) -> str:
        """What is left out as a whole: `patients`, or `sections` where patients are few."""
        few = len(np.unique(self.keys.patient)) < FEWEST_GROUPS
        return "sections" if few else "patients"

    @property
    def group(self) -> Int[np.ndarray, " N"]:
        """Code of the patient or section that a tile is left out with."""
        return self.keys.section if self.held_out == "sections" else self.keys.patient

    @property
    def usable(self) -> Bool[np.ndarray, "N M"]:
        """Where a concept is defined; nowhere if it is constant or on too few tiles or groups."""
        usable = np.isfinite(self.values)
        for column in range(usable.shape[1]):
            rows = usable[:, column]
            enough = rows.sum() >= FEWEST_TILES and (
                len(np.unique(self.group[rows])) >= FEWEST_GROUPS
            )
            if not enough or np.ptp(self.values[rows, column]) <= _CONSTANT:
                usable[:, column] = False
        return usable

    def given(self, name: str) -> "ConceptTiles":
        """The same, with what a linear fit on this concept leaves of each, within sections.

        The concept itself is left out.
        """
        column = self.names.index(name)
        others = [at for at in range(len(self.names)) if at != column]
        left = np.full((len(self.keys), len(others)), np.nan)
        for _, rows in self.by_section:
            for place, other in enumerate(others):
                left[rows, place] = residual(self.values[rows, other], self.values[rows, column])
        names = tuple(self.names[other] for other in others)
        return ConceptTiles(self.keys, self.um, names, left)

    def random(self) -> Float[np.ndarray, "N M n"]:
        """Random concepts with the mean and smoothness of each, section by section.

        NaN where a concept is undefined.
        """
        usable = self.usable
        drawn = np.full((*self.values.shape, N_RANDOM_CONCEPTS), np.nan)
        for section, rows in self.by_section:
            for column, name in enumerate(self.names):
                at = rows[usable[rows, column]]
                if at.size:
                    seed = integer(_SEED, f"explain-concepts-{section}-{name}")
                    drawn[at, column] = _random_maps(self.values[at, column], self.um[at], seed)
        return drawn


def residual(
    values: Float[np.ndarray, " n"], given: Float[np.ndarray, " n"]
) -> Float[np.ndarray, " n"]:
    """What a straight line on `given` leaves of these values; NaN where one is undefined."""
    left = np.full(len(values), np.nan)
    known = np.isfinite(values) & np.isfinite(given)
    if known.any():
        y, x = (one[known] - one[known].mean() for one in (values, given))
        slope = (x @ y) / (x @ x) if x @ x > 0 else 0.0
        left[known] = y - slope * x
    return left


def joined(parts: Sequence[ConceptTiles]) -> ConceptTiles:
    """The tiles of several sections, one after the other."""
    return ConceptTiles(
        SpotKeys.concatenate([part.keys for part in parts]),
        np.concatenate([part.um for part in parts]),
        parts[0].names,
        np.concatenate([part.values for part in parts]),
    )


def _random_maps(
    values: Float[np.ndarray, " n"], um: Float[np.ndarray, "n 2"], seed: int
) -> Float[np.ndarray, "n draws"]:
    few = len(np.unique(um, axis=0)) < 3  # no map; a constant one has no waves either
    if few or np.ptp(values) <= _CONSTANT * max(1.0, np.abs(values).max()):
        return np.repeat(values[:, None], N_RANDOM_CONCEPTS, axis=1)
    return surrogates(values, um, N_RANDOM_CONCEPTS, seed).T
