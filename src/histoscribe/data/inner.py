"""Inner splits of training spots, on which every choice of a model is made.

They depend only on the training sections, so removing test sections from a cohort does not change
them. All protocols use the same rule: they differ only in the outer division.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Int
from scipy.spatial import cKDTree

from histoscribe.metrics.spatial import NEIGHBOUR_PITCHES
from histoscribe.types import Cohort, Inner, Section, SpotRows

N_BLOCKS = 5
MIN_BLOCK_SPOTS = 5
"""Fewest spots in a block: a correlation over fewer spots means nothing."""


def inner_splits(cohort: Cohort, train: SpotRows) -> tuple[tuple[Inner, ...], str]:
    """Split training spots by patient, else by section, else by block.

    Returns
    -------
    The splits and their kind: `patient`, `section`, `block`, or `none` with no split if there are
    too few spots; models then keep their fixed settings.
    """
    patient = {id_: str(cohort.patients[id_]) for id_ in train}
    if len(set(patient.values())) > 1:
        return tuple(_leave_each_out(train, patient)), "patient"
    if len(train) > 1:
        return tuple(_leave_each_out(train, {id_: id_ for id_ in train})), "section"
    blocks = tuple(split for id_, rows in train.items() for split in _blocks(cohort[id_], rows))
    return blocks, "block" if blocks else "none"


def _leave_each_out(train: SpotRows, group: dict[str, str]) -> Iterator[Inner]:
    for out in sorted(set(group.values())):
        yield Inner(
            fit={id_: rows for id_, rows in train.items() if group[id_] != out},
            val={id_: rows for id_, rows in train.items() if group[id_] == out},
        )


def _blocks(section: Section, rows: Int[np.ndarray, " rows"]) -> Iterator[Inner]:
    """Five strips across the longer side of the tissue, each held out without its neighbours."""
    if len(rows) < N_BLOCKS * MIN_BLOCK_SPOTS:
        return
    xy = section.spots.xy[rows]
    longer = int(np.ptp(xy, axis=0).argmax())
    order = np.lexsort((xy[:, 1 - longer], xy[:, longer]))
    tree = cKDTree(xy)
    rim_px = NEIGHBOUR_PITCHES * section.spots.step_um / section.slide.mpp
    for block in np.array_split(order, N_BLOCKS):
        # a spot of the block is its own neighbour, so this removes the block and its rim
        touched = tree.query_ball_point(xy[block], rim_px)
        fit = np.setdiff1d(np.arange(len(rows)), np.concatenate(touched).astype(np.int64))
        if len(fit) >= MIN_BLOCK_SPOTS:
            yield Inner(fit={section.id: rows[fit]}, val={section.id: rows[np.sort(block)]})
