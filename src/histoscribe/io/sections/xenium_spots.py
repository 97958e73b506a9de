"""Spots of a Xenium section: squares with the sum of their cells or transcripts, or cells."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from histoscribe.io.sections.pooling import NO_POOL, pool_of, pool_um_of, pooled
from histoscribe.io.sections.source import Source
from histoscribe.io.sections.transcripts import LEAST_QV, square_transcripts
from histoscribe.io.sections.xenium_files import XeniumCells
from histoscribe.types import Counts, Spots


@dataclass(frozen=True, eq=False)
class CountedSpots:
    """Spots on the image with their counts."""

    spots: Spots
    counts: Counts
    notes: tuple[str, ...]


def spots_of_cells(
    source: Source, cells: XeniumCells, counts: Counts, to_px: Float[np.ndarray, "2 3"]
) -> CountedSpots:
    """Cells as spots where the column `pool` says `none`, else their sum in squares.

    `counts` has the cells in rows; `to_px` goes from um to level-0 px.
    """
    if pool_of(source, ("cells", NO_POOL)) == NO_POOL:
        xy = cells.um @ to_px[:, :2].T + to_px[:, 2]
        spots = Spots(cells.ids, xy, cells.diameter_um, None, "cells")
        return CountedSpots(spots, counts, ("each cell is a spot", _panel(counts)))
    pool_um = pool_um_of(source)
    squares = pooled(cells.um, counts.matrix, pool_um, None, None, to_px)
    n = f"{len(squares.spots):,} squares of {pool_um:g} um"
    told = f"pooled: {n} from {len(cells.ids):,} cells"
    counts = replace(counts, matrix=squares.counts)
    return CountedSpots(squares.spots, counts, (told, _panel(counts)))


def spots_of_transcripts(
    source: Source, path: Path, panel: Counts, to_px: Float[np.ndarray, "2 3"]
) -> CountedSpots:
    """Transcripts of the genes of a panel, in cells or not, summed into squares."""
    pool_um = pool_um_of(source)
    read = square_transcripts(path, panel.gene_names, pool_um)
    squares = pooled(read.um, read.counts, pool_um, None, None, to_px)
    n, of = int(squares.counts.sum()), f"{len(squares.spots):,} squares of {pool_um:g} um"
    told = (
        f"pooled: {of} from {n:,} transcripts of qv {LEAST_QV} or more; left out: "
        f"{read.n_low:,} of lower qv, {read.n_other:,} of no gene"
    )
    counts = replace(panel, matrix=squares.counts)
    return CountedSpots(squares.spots, counts, (told, _panel(counts)))


def _panel(counts: Counts) -> str:
    n = len(counts.gene_ids)
    return f"panel of {n:,} genes: the depth of a spot is its total over them"
