"""Cells, beads or bins of any make, summed into squares where the manifest says so.

Only Visium HD and Xenium have a corner of their own; all others are counted from the corner of the
image.
"""

from dataclasses import replace

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.pooling import NO_POOL, pool_of, pool_um_of, pooled
from histoscribe.io.sections.source import Reading, Source


def pooled_places(source: Source, reading: Reading) -> Reading:
    """Reading with squares for spots, if the manifest has `pool_um` or a `pool`; else as it is.

    Rows of counts are those of the spots, in their order.

    Raises
    ------
    DataContractError
        for circles on a lattice, which are spots already, and for squares that are too large or
        smaller than the bins.
    """
    words = (NO_POOL, "cells", "bins")
    is_asked = bool(source.facts.get("pool", "") or source.facts.get("pool_um", ""))
    if not is_asked or (source.facts.get("pool", "") and pool_of(source, words) == NO_POOL):
        return reading
    spots, mpp = reading.spots, reading.slide.mpp
    if spots.shape == "circles":
        raise DataContractError(
            Problem(
                where=source.where,
                found=f"`pool` for spots of {spots.diameter_um:g} um, {spots.pitch_um:g} um apart",
                expected="cells or beads without a lattice, or square bins side by side",
                remedy="empty the columns `pool` and `pool_um`; if these are bins, write their "
                "width in the column `diameter_um`",
            )
        )
    pool_um, place_um = pool_um_of(source), spots.xy * mpp
    if spots.pitch_um is not None and pool_um < spots.pitch_um:
        raise DataContractError(
            Problem(
                where=source.where,
                found=f"pool_um {pool_um:g} and bins of {spots.pitch_um:g} um",
                expected="squares at least as large as the bins",
                remedy=f"write {spots.pitch_um:g} or more, or `{NO_POOL}` in the column `pool`",
            )
        )
    to_px = np.array([[1 / mpp, 0.0, 0.0], [0.0, 1 / mpp, 0.0]])
    squares = pooled(place_um, reading.counts.matrix, pool_um, reading.in_tissue, None, to_px)
    told = f"pooled: {len(squares.spots):,} squares of {pool_um:g} um, counted from the corner of "
    told += f"the image, from {int(reading.in_tissue.sum()):,} places in tissue"
    return replace(
        reading,
        spots=squares.spots,
        in_tissue=np.ones(len(squares.spots), dtype=bool),
        counts=replace(reading.counts, matrix=squares.counts),
        count_ids=squares.spots.ids,
        notes=(*reading.notes, told),
        array=None,
    )
