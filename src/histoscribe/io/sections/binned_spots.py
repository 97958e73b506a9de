"""Bins as a manifest wants them: pooled into squares, or each for itself."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from histoscribe.io.sections.bins import Bins
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.io.sections.matrix_chunks import MatrixChunks
from histoscribe.io.sections.pooling import NO_POOL, pool_of, pool_um_of
from histoscribe.io.sections.source import Source
from histoscribe.types import Counts, Spots


@dataclass(frozen=True, eq=False)
class BinnedSpots:
    """Squares or bins of a section, with their counts in the same order."""

    spots: Spots
    in_tissue: Bool[np.ndarray, " N"]
    counts: Counts
    notes: tuple[str, ...]


def square_um_of(source: Source) -> float | None:
    """Side of the squares that the bins of a section are pooled into; None to keep bins."""
    return None if pool_of(source, ("bins", NO_POOL)) == NO_POOL else pool_um_of(source)


def binned_spots(
    source: Source, bins: Bins, in_tissue: Bool[np.ndarray, " N"], stored: MatrixChunks
) -> BinnedSpots:
    """Pool the bins by the columns `pool` and `pool_um` of the manifest.

    The first bins are those of the rows of `stored`; bins behind them have no counts.
    """
    pool_um, genome = square_um_of(source), source.facts.get("genome")
    if pool_um is not None:
        squares = bins.pooled(stored.chunks, in_tissue, pool_um)
        counts, notes = counts_of(squares.counts, stored.features, bins.where, genome)
        notes = (*squares.notes, *stored.notes, *notes)
        return BinnedSpots(squares.spots, np.ones(len(squares.spots), bool), counts, notes)
    counts, notes = counts_of(stored.whole(), stored.features, bins.where, genome)
    ids = tuple(name.decode() for name in stored.barcodes)
    told = (f"bins of {bins.bin_um:g} um, not pooled", *stored.notes, *notes)
    return BinnedSpots(bins.first(len(ids)).spots(ids), in_tissue[: len(ids)], counts, told)
