"""Made-up labels: those of some spots exchanged in a section, or all exchanged over patients.

A label is all that was measured of a spot: values of the genes, counts and activity of pathways.
It moves as a whole.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int

from histoscribe.seed import stream
from histoscribe.types import SpotKeys, SpotTable

FEWEST_PATIENTS = 2
"""Patients whose labels can be exchanged."""


@dataclass(frozen=True, eq=False)
class Exchange:
    """Exchange of labels: the spot that each label was measured in."""

    origin: Int[np.ndarray, " N"]
    """Row of the spot that the label was measured in."""
    permuted: Bool[np.ndarray, " N"]
    """Whether this is another spot."""

    @classmethod
    def of_origin(cls, origin: Int[np.ndarray, " N"]) -> "Exchange":
        """An exchange, from the row that each label comes from."""
        return cls(origin, origin != np.arange(len(origin)))

    def apply(self, table: SpotTable) -> SpotTable:
        """The table with exchanged labels, in all of its views alike."""
        starts = np.arange(table.copies) * (len(table) // table.copies)
        rows = (starts[:, None] + self.origin).ravel()
        return replace(
            table,
            target=table.target[rows],
            log_total=table.log_total[rows],
            counts=None if table.counts is None else table.counts[rows],
            pathways=None if table.pathways is None else table.pathways[rows],
        )


def n_permuted(n_spots: int, share: float) -> int:
    """Number of exchanged labels of a section: a share of its spots; none if only one."""
    drawn = round(share * n_spots)
    return drawn if drawn > 1 else 0


def permuted_in_sections(
    keys: SpotKeys, rows: Int[np.ndarray, " n"], share: float, seed: int
) -> Exchange:
    """Exchange the labels of a share of these rows, drawn at random, in each section.

    Each drawn spot gets the label of the next drawn one, so none keeps its own.
    """
    origin = np.arange(len(keys))
    for name, _, of_section in keys.take(rows).by_section():
        order = stream(seed, f"memory-permuted-{name}").permutation(rows[of_section])
        drawn = order[: n_permuted(len(order), share)]
        origin[drawn] = np.roll(drawn, -1)
    return Exchange.of_origin(origin)


def permuted_over_patients(keys: SpotKeys, seed: int) -> Exchange:
    """Give every patient the labels of another one, spot by spot at random.

    The labels of a patient stay together: all spots of one patient get those of one other. They are
    placed at random, because tissues can be laid out alike. A patient with more spots gets some
    labels twice.

    Raises ValueError for fewer than two patients.
    """
    names = keys.patient_names
    patients = np.unique(names)
    if len(patients) < FEWEST_PATIENTS:
        raise ValueError("labels of one patient cannot be exchanged over patients")
    order = stream(seed, "memory-patients").permutation(patients)
    origin = np.arange(len(keys))
    for patient, other in zip(order, np.roll(order, -1), strict=True):
        rows, donors = np.flatnonzero(names == patient), np.flatnonzero(names == other)
        drawn = stream(seed, f"memory-labels-{patient}").permutation(donors)
        origin[rows] = np.resize(drawn, len(rows))
    return Exchange.of_origin(origin)
