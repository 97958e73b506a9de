"""Scores of each section in place and one spot away, as a 3 x 3 grid."""

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd

from histoscribe.benchmark.alignment import DIRECTIONS, GAIN, Misaligned, misaligned
from histoscribe.report.run import Run
from histoscribe.report.text import number

MOST_GRIDS = 48
"""Most grids on a page; the others are in `alignment.csv`, best-fitting sections last."""

Key = tuple[str, str]
"""Fold and section."""


@dataclass(frozen=True)
class CardPlace:
    """The section's position, or one spot away from it."""

    pcc: str
    """Mean over genes; in the middle over all spots, else over spots with a neighbour in that
    direction.
    """
    gain: str
    """Gain in `pcc` from moving there, over the same spots; empty in the middle."""
    better: bool
    """Whether the section clearly fits better at this position."""


@dataclass(frozen=True)
class SpotGrid:
    """Grid of one section for the best model."""

    name: str
    says: str
    """The result in words."""
    rows: tuple[tuple[CardPlace, ...], ...]
    """Three by three, as on the image: the top row is one spot up."""


def grids(run: Run) -> tuple[list[SpotGrid], int]:
    """Grids of the tested sections, and the number of grids left out.

    Sections that fit better one spot away come first. Empty for a run without `alignment.csv`.
    """
    if run.alignment is None:
        return [], 0
    better = {(found.fold, found.section): found for found in misaligned(run.alignment)}
    in_place = _in_place(run)
    tables = {
        (str(fold), str(section)): table
        for (fold, section), table in run.alignment.groupby(["fold", "section"])
    }
    twice = len({section for _, section in tables}) < len(tables)
    keys = sorted(tables, key=lambda key: (key not in better, key[1], key[0]))
    shown = [
        _grid(key, tables[key], in_place.get(key, float("nan")), better.get(key), twice=twice)
        for key in keys[:MOST_GRIDS]
    ]
    return shown, len(keys) - len(shown)


def _in_place(run: Run) -> Mapping[Key, float]:
    """Mean pcc over genes of the best model, by fold and section."""
    scores = run.scores
    of_best = scores[(scores["model"] == run.best_model) & (scores["metric"] == "pcc")]
    means = of_best.groupby(["fold", "section"])["value"].mean()
    return {
        (str(fold), str(section)): value
        for (fold, section), value in zip(means.index, means.to_list(), strict=True)
    }


def _grid(
    key: Key, table: pd.DataFrame, in_place: float, found: Misaligned | None, *, twice: bool
) -> SpotGrid:
    fold, section = key
    name = f"section {section}, fold {fold}" if twice else f"section {section}"
    places = {(0, 0): CardPlace(number(in_place), "", better=False)}
    for direction, pcc, still in zip(
        table["direction"],
        *(table[c].to_numpy(float) for c in ("pcc", "pcc_in_place")),
        strict=True,
    ):
        here = found is not None and found.direction == direction
        places[DIRECTIONS[direction]] = CardPlace(number(pcc), _signed(pcc - still), better=here)
    unknown = CardPlace(number(float("nan")), "", better=False)
    rows = tuple(
        tuple(places.get((right, down), unknown) for right in (-1, 0, 1)) for down in (-1, 0, 1)
    )
    return SpotGrid(name, _says(in_place, table, found), rows)


def _says(in_place: float, table: pd.DataFrame, found: Misaligned | None) -> str:
    if found is not None:
        return (
            f"It fits better one spot to the {found.direction}: check its overlay, because the "
            "image may be shifted, turned or flipped against the spots."
        )
    if table["pcc"].isna().all():
        return "Too few spots have neighbours for a result."
    if not in_place > GAIN:
        return "The prediction hardly fits anywhere, so the position cannot be checked."
    return "No position one spot away is clearly better."


def _signed(gain: float) -> str:
    text = number(gain)
    return f"+{text}" if gain >= 0 else text
