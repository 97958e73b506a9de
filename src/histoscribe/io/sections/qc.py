"""Quality control of spots: match counts to positions, apply named filters, count the losses."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.places import places_of
from histoscribe.io.sections.source import Reading, Source
from histoscribe.types import Counts, Section


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Named quality filters in their order; the section records how many spots each drops."""

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012  # an unknown key is an error

    in_tissue: bool = True
    """Keep only spots that the experiment marks as covered by tissue."""
    min_umi: int = 1
    """Least total count of a spot; an empty spot has no expression to learn."""
    min_genes: int = 1
    """Least number of genes detected in a spot."""


def section_of(reading: Reading, source: Source, filters: Filters) -> Section:
    """Match counts to spots, apply the filters and count what they drop.

    Names in `dropped`: `in_tissue`, `no counts`, `min_umi`, `min_genes`, `outside the image`.
    Raises DataContractError where no id matches, no spot is left, or the positions do not fit the
    image (see `places_of`).
    """
    row_of = {id_: row for row, id_ in enumerate(reading.count_ids)}
    rows = np.array([row_of.get(id_, -1) for id_ in reading.spots.ids], dtype=np.int64)
    if not (rows >= 0).any():
        raise DataContractError(_nothing_matches(reading, source))
    total = reading.counts.total[rows]
    n_genes = np.diff(reading.counts.matrix.indptr)[rows]
    passes = {
        "in_tissue": reading.in_tissue | (not filters.in_tissue),
        "no counts": rows >= 0,
        "min_umi": total >= filters.min_umi,
        "min_genes": n_genes >= filters.min_genes,
    }
    keep = np.ones(len(rows), dtype=bool)
    dropped: dict[str, int] = {}
    for name, passed in passes.items():
        keep = _narrowed(keep, name, passed, dropped)
    if not keep.any():
        raise DataContractError(_nothing_left(source, len(rows), dropped))
    places = places_of(reading, keep, source)
    keep = _narrowed(keep, "outside the image", places.inside, dropped)
    spots = reading.spots
    if reading.array is not None:
        spots = replace(spots, array=reading.array)
    return Section(
        id=source.section,
        patient=source.patient,
        slide=reading.slide,
        spots=spots.take(np.flatnonzero(keep)),
        counts=_counts_at(reading.counts, rows[keep]),
        dropped=dropped,
        notes=(
            *source.notes,
            *reading.slide.notes,
            *reading.slide.warnings,
            *reading.notes,
            *places.notes,
        ),
        facts=source.facts,
    )


def _narrowed(
    keep: Bool[np.ndarray, " N"],
    name: str,
    passed: Bool[np.ndarray, " N"],
    dropped: dict[str, int],
) -> Bool[np.ndarray, " N"]:
    """Spots that were kept and pass, too; the others are counted in `dropped`."""
    if n_dropped := int((keep & ~passed).sum()):
        dropped[name] = n_dropped
    return keep & passed


def _counts_at(counts: Counts, rows: np.ndarray) -> Counts:
    return Counts(counts.matrix[rows], counts.gene_ids, counts.gene_names)


def _nothing_matches(reading: Reading, source: Source) -> Problem:
    return Problem(
        where=source.where,
        found=f"no spot has counts: positions are named like {reading.spots.ids[0]!r}, "
        f"counts like {reading.count_ids[0]!r}",
        expected="the same spot ids (barcodes) in both files",
        remedy="give positions and counts of the same section",
    )


def _nothing_left(source: Source, n_spots: int, dropped: dict[str, int]) -> Problem:
    lost = ", ".join(f"{name} {n}" for name, n in dropped.items())
    return Problem(
        where=source.where,
        found=f"none of {n_spots} spots passes the filters (dropped by {lost})",
        expected="at least one spot",
        remedy="loosen the filter, or leave this section out",
    )
