"""What a map is held against, and how well the two agree."""

from dataclasses import dataclass
from typing import final

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.explain.finding import Number
from histoscribe.explain.surrogates import MapTest, auroc_test, correlation_test

LEAST_SPOTS = 10
"""Spots with a value in both, below which no agreement is computed."""


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class MapReference:
    """Known value of each spot, independent of the map; spots in the order of the section."""

    name: str
    """Ending of the names of its numbers, e.g. `stain` in `auroc_stain`."""
    words: str
    """What it is, as part of a sentence."""
    value: Float[np.ndarray, " N"] | None
    """NaN for a spot that is left out; None where there are only two sides, as with labels."""
    positive: Bool[np.ndarray, " N"]
    """Spots that a good map ranks above the others."""
    positive_words: str
    """Which spots these are."""
    present: Bool[np.ndarray, " N"]
    """Spots that count; the others are left out, e.g. without a label or without tissue."""
    notes: tuple[str, ...] = ()
    """What a reader must know of it."""
    numbers: tuple[Number, ...] = ()
    """Numbers about the reference alone, without a value by chance, e.g. `residual_um`."""

    @property
    def drawn(self) -> Float[np.ndarray, " N"]:
        """Values of a picture: NaN where left out; of sides, 1 and 0."""
        values = self.positive.astype(np.float64) if self.value is None else self.value
        return np.where(self.present, values, np.nan)

    def __post_init__(self) -> None:
        value = self.positive if self.value is None else self.value
        if not len(self.positive) == len(self.present) == len(value):
            raise ValueError(f"{self.name}: values of different numbers of spots")


@final
@dataclass(frozen=True, eq=False, kw_only=True)
class AgainstResult:
    """Agreement of one map with one reference."""

    reference: MapReference
    n_spots: int
    """Spots with a value in both."""
    n_positive: int
    statistic: tuple[Number, ...]
    """`correlation_<name>` (not of labels) and `auroc_<name>`, each with its p-value
    `p_<number>`; NaN where the map is constant or all spots are on one side."""
    null: tuple[Number, ...]
    """The first two by chance, under the same names: of equally smooth random maps."""


def held_against(
    values: Float[np.ndarray, " N"],
    reference: MapReference,
    um: Float[np.ndarray, "N 2"],
    seed: int,
) -> AgainstResult:
    """Correlation and AUROC of a map with a reference, beside equally smooth random maps.

    Parameters
    ----------
    values
        The map, one value per spot; spots with NaN are left out.
    um
        Places of the spots, um.

    Raises
    ------
    DataContractError
        if fewer than `LEAST_SPOTS` spots have a value in both.
    """
    rows = np.flatnonzero(np.isfinite(values) & reference.present)
    if len(rows) < LEAST_SPOTS:
        raise DataContractError(_too_few(reference, len(rows)))
    score, positive, places = values[rows].astype(np.float64), reference.positive[rows], um[rows]
    tests: dict[str, tuple[MapTest, str]] = {}
    if reference.value is not None:
        words = f"correlation of the map with {reference.words}"
        test = correlation_test(score, reference.value[rows].astype(np.float64), places, seed)
        tests[f"correlation_{reference.name}"] = (test, words)
    words = f"AUROC of the map for {reference.positive_words}"
    tests[f"auroc_{reference.name}"] = (auroc_test(score, positive, places, seed), words)
    pairs = {name: test.number(name, meaning) for name, (test, meaning) in tests.items()}
    p_values = [test.p_number(name) for name, (test, _) in tests.items()]
    return AgainstResult(
        reference=reference,
        n_spots=len(rows),
        n_positive=int(positive.sum()),
        statistic=(*(value for value, _ in pairs.values()), *p_values),
        null=tuple(chance for _, chance in pairs.values()),
    )


def _too_few(reference: MapReference, n_spots: int) -> Problem:
    return Problem(
        where=reference.words,
        found=f"{n_spots} spots with a value in the map and in it",
        expected=f"at least {LEAST_SPOTS}",
        remedy="check that it belongs to this section, or give one that covers more of it",
    )
