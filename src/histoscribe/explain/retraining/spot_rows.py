"""Spots on which a model is trained again, and those that stay held out."""

from collections.abc import Collection

import numpy as np

from histoscribe.data.inner import inner_splits
from histoscribe.seed import stream
from histoscribe.types import Cohort, Fold, SpotRows


def spots_of_patients(cohort: Cohort, patients: Collection[str]) -> SpotRows:
    """Rows of every spot of these patients, by section."""
    return {
        id_: np.arange(len(cohort[id_].spots))
        for id_, patient in cohort.patients.items()
        if patient in patients
    }


def share_of_spots(rows: SpotRows, share: float, seed: int) -> SpotRows:
    """A share of the spots of each section at random, at least one.

    A smaller share of the same seed is a part of a larger one.
    """
    drawn = {}
    for id_, of_section in rows.items():
        order = stream(seed, f"share-of-spots-{id_}").permutation(of_section)
        drawn[id_] = np.sort(order[: max(1, round(share * len(order)))])
    return drawn


def fold_of(cohort: Cohort, train: SpotRows, test: SpotRows) -> Fold:
    """A fold of these training and test spots, with inner splits as in a benchmark.

    Raises ValueError for a patient on both sides.
    """
    sides = [{cohort.patients[id_] for id_ in rows} for rows in (train, test)]
    if both := sides[0] & sides[1]:
        raise ValueError(f"on both sides: {', '.join(sorted(map(str, both)))}")
    inner, validation = inner_splits(cohort, train)
    name = "+".join(sorted(map(str, sides[1]))) or "all"
    return Fold(name, "patient", train, test, inner, validation)
