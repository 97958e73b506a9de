"""Bags of tiles: all tiles of a patient, or blocks of neighbouring spots of a section."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.seed import stream
from histoscribe.types import Bag, Cohort, Inner, SpotRows

FEWEST_BAGS = 3
"""Fewest bags in a part: over two, every correlation is -1 or 1."""
N_SPLITS = 5
"""Inner splits of a fold, if it has bags enough."""


def patient_bags(cohort: Cohort, rows: SpotRows, sites: Mapping[str, str]) -> tuple[Bag, ...]:
    """One bag a patient, with these tiles of all its slides, sorted by name.

    Raises
    ------
    DataContractError
        naming every patient without a tile.
    """
    of_patient: dict[str, dict[str, Int[np.ndarray, " _"]]] = {}
    for section in sorted(rows):
        of_patient.setdefault(str(cohort.patients[section]), {})[section] = rows[section]
    bags: list[Bag] = []
    problems: list[Problem] = []
    for patient in sorted(of_patient):
        try:
            bags.append(
                Bag(
                    name=patient,
                    patient=patient,
                    rows=of_patient[patient],
                    site=sites.get(patient),
                )
            )
        except DataContractError as error:
            problems += error.problems
    if problems:
        raise DataContractError(problems)
    return tuple(bags)


def block_bags(cohort: Cohort, rows: SpotRows, block_spots: int) -> tuple[Bag, ...]:
    """Blocks of about `block_spots` neighbouring spots, section by section.

    Each section is cut across its longer side, and each part again, into the number of blocks that
    brings their size closest to `block_spots`; no spot is left out.
    """
    bags = []
    for section in sorted(rows):
        of, spots = cohort[section], rows[section]
        n_blocks = max(round(len(spots) / block_spots), 1)
        for number, block in enumerate(_cut(of.spots.xy[spots], n_blocks), start=1):
            bags.append(
                Bag(
                    name=f"{section}-{number:02d}",
                    patient=str(of.patient),
                    rows={section: np.sort(spots[block])},
                )
            )
    return tuple(bags)


def bag_splits(bags: Sequence[Bag], n_splits: int | None, seed: int) -> tuple[Inner, ...]:
    """Inner splits of training bags: whole patients, else whole sections, else single bags.

    Each split holds out another part. With `n_splits` None there are five, or fewer where parts of
    three bags allow no more; without any, no split.

    Raises
    ------
    DataContractError
        if there are fewer patients (or sections, or bags) than the requested splits.
    """
    group = _groups(bags)
    names = sorted(set(group))
    if n_splits is None:
        n_splits = min(N_SPLITS, len(names), max(len(bags) // FEWEST_BAGS, 1))
        if n_splits < 2:
            return ()
    elif n_splits > len(names):
        raise DataContractError(_too_few(n_splits, names))
    drawn = sorted(names, key=lambda name: (stream(seed, f"bags-{name}").random(), name))
    parts = [set(map(str, part)) for part in np.array_split(drawn, n_splits)]
    return tuple(
        Inner(
            fit=union([bag for bag, of in zip(bags, group, strict=True) if of not in part]),
            val=union([bag for bag, of in zip(bags, group, strict=True) if of in part]),
        )
        for part in parts
    )


def union(bags: Sequence[Bag]) -> SpotRows:
    """All tiles of these bags, by section, ascending."""
    parts: dict[str, list[Int[np.ndarray, " _"]]] = {}
    for bag in bags:
        for section, rows in bag.rows.items():
            parts.setdefault(section, []).append(rows)
    return {section: np.sort(np.concatenate(of)) for section, of in sorted(parts.items())}


def bags_in(bags: Sequence[Bag], rows: SpotRows) -> Int[np.ndarray, " n"]:
    """Numbers of bags whose tiles are all among these rows."""
    within = [
        all(
            section in rows and np.isin(of, rows[section]).all() for section, of in bag.rows.items()
        )
        for bag in bags
    ]
    return np.flatnonzero(within)


def _cut(xy: Float[np.ndarray, "N 2"], n_blocks: int) -> list[Int[np.ndarray, " _"]]:
    """Rows of each block; every cut goes across the longer side of its part."""
    parts = [(np.arange(len(xy)), n_blocks)]
    blocks = []
    while parts:
        rows, n = parts.pop(0)
        if n == 1:
            blocks.append(rows)
            continue
        longer = int(np.ptp(xy[rows], axis=0).argmax())
        order = rows[np.lexsort((xy[rows, 1 - longer], xy[rows, longer]))]
        first = n // 2
        at = round(len(order) * first / n)
        parts += [(order[:at], first), (order[at:], n - first)]
    return blocks


def _groups(bags: Sequence[Bag]) -> list[str]:
    """Group of each bag that stays on one side of a split."""
    by_patient = [bag.patient for bag in bags]
    by_section = ["+".join(sorted(bag.rows)) for bag in bags]
    for group in (by_patient, by_section):
        if len(set(group)) > 1:
            return group
    return [bag.name for bag in bags]


def _too_few(n_splits: int, names: Sequence[str]) -> Problem:
    return Problem(
        where="settings, train.members",
        found=f"{n_splits} members, each with validation patients of its own, and {len(names)} "
        "training groups to draw them from",
        expected="at least as many training patients as members",
        remedy="use fewer members, or add patients",
    )
