"""Bins, cells or transcripts summed into squares, counted from the corner of their own array.

A place of a few um has too few molecules for a score. Its square is the same whatever part of the
array has tissue, so sections of one instrument are cut alike.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from jaxtyping import Bool, Float, Int

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.array_map import px_of
from histoscribe.io.sections.source import Source, positive
from histoscribe.types import Spots

POOL_UM = 100.0
"""Side of a square where the manifest gives none: the step from spot to spot of Visium."""
NO_POOL = "none"
"""Value of the column `pool` that keeps bins or cells as they are."""
_LEAST_SQUARES = 2
_LEAST_TISSUE = 0.5
"""Least share of the bins of a square that must be in tissue."""


@dataclass(frozen=True, eq=False)
class Pooled:
    """Squares of one section, each with the counts of the bins or cells inside it."""

    spots: Spots
    """Squares in the order of row and column; centres in level-0 px of the image."""
    counts: sp.csr_matrix
    """[N, A] whole numbers, one row a square."""
    notes: tuple[str, ...]
    """Of bins: how many squares there are, and what was left out."""


def pooled(
    places_um: Float[np.ndarray, "M 2"],
    counts: sp.csr_matrix | Iterable[sp.csr_matrix],
    pool_um: float,
    in_tissue: Bool[np.ndarray, " M"] | None,
    bin_um: float | None,
    to_px: Float[np.ndarray, "2 terms"],
) -> Pooled:
    """Sum the counts of places into squares of `pool_um`, by one sparse product for each chunk.

    A place is in the square (row, column) that is the floor of its place divided by `pool_um`.

    Parameters
    ----------
    places_um
        Centres in um from the corner of the array, x to the right and y down.
    counts
        [m, A] counts of the places in their order, as one matrix or as chunks of consecutive rows.
        Places behind the last row have none.
    in_tissue
        Places in tissue; no other place is summed. None if all are.
    bin_um
        Side of a bin, on a lattice from the corner of the array: squares of which less than half of
        the bins that fit are in tissue are left out. None for cells and transcripts, of which each
        square with a place is kept.
    to_px
        Map from these um to level-0 px of the image: [2, 3] with the factors of x, y and 1, or a
        bent one (see `array_map.px_of`).

    Raises
    ------
    DataContractError
        if `pool_um` is less than `bin_um`, or fewer than two squares are left.
    """
    if bin_um is not None and pool_um < bin_um:
        raise DataContractError(_too_small(pool_um, bin_um))
    inside = np.ones(len(places_um), dtype=bool) if in_tissue is None else in_tissue
    grid, square_of, n_inside = squares_of(places_um, pool_um, inside)
    is_full = np.ones(len(grid), dtype=bool)
    if bin_um is not None:
        is_full = n_inside >= _LEAST_TISSUE * _bins_that_fit(grid, pool_um, bin_um)
    if is_full.sum() < _LEAST_SQUARES:
        raise DataContractError(_too_large(_span_um(places_um[inside], bin_um), pool_um, is_full))
    square = np.where(is_full, np.cumsum(is_full) - 1, -1)
    row = np.where(square_of >= 0, square[square_of], -1)
    grid = grid[is_full]
    left_out = np.array([(~is_full).sum(), n_inside[~is_full].sum()])
    n_places = int((row >= 0).sum())
    return Pooled(
        spots=_spots(grid, pool_um, to_px),
        counts=_summed(counts, row, len(grid)),
        notes=() if bin_um is None else _notes(len(grid), n_places, left_out, pool_um, bin_um),
    )


def pool_um_of(source: Source) -> float:
    """Side of the squares of a section according to the column `pool_um`; 100 um by default.

    Raises DataContractError for what is no number above 0.
    """
    text = source.facts.get("pool_um", "")
    if text and positive(text) is None:
        raise DataContractError(
            Problem(
                where=source.where,
                found=f"pool_um {text!r}",
                expected=f"um above 0, or nothing for {POOL_UM:g}",
                remedy="correct the column `pool_um`; to keep bins or cells as they are, write "
                f"`{NO_POOL}` in the column `pool`",
            )
        )
    return positive(text) or POOL_UM


def pool_of(source: Source, allowed: tuple[str, ...]) -> str:
    """What the column `pool` says is pooled; the first of `allowed` if it is empty.

    Raises DataContractError for any other value.
    """
    text = source.facts.get("pool", "").strip().casefold()
    if (text or allowed[0]) == NO_POOL and source.facts.get("pool_um"):
        raise DataContractError(
            Problem(
                where=source.where,
                found=f"pool_um {source.facts['pool_um']!r} where nothing is pooled (pool "
                f"{text or NO_POOL!r})",
                expected="squares of a size, or none",
                remedy="empty the column `pool_um`, or name in `pool` or `path` what to pool",
            )
        )
    if text and text not in allowed:
        raise DataContractError(
            Problem(
                where=source.where,
                found=f"pool {source.facts['pool']!r}",
                expected=f"one of {', '.join(allowed)}, or nothing for {allowed[0]}",
                remedy="correct the column `pool`; the size of squares is in `pool_um`",
            )
        )
    return text or allowed[0]


def squares_of(
    places_um: Float[np.ndarray, "M 2"], pool_um: float, inside: Bool[np.ndarray, " M"]
) -> tuple[Int[np.ndarray, "S 2"], Int[np.ndarray, " M"], Int[np.ndarray, " S"]]:
    """Row and column of each square with a place, the square of each place, and their number.

    A place that is not inside is in square -1.
    """
    column, row = (np.floor(places_um[inside, axis] / pool_um).astype(np.int64) for axis in (0, 1))
    # one number a square: rows of two take many times as long to sort
    left, width = (int(column.min()), int(np.ptp(column)) + 1) if len(column) else (0, 1)
    code, square, n_places = np.unique(
        row * width + (column - left), return_inverse=True, return_counts=True
    )
    square_of = np.full(len(places_um), -1, dtype=np.int64)
    square_of[inside] = square
    return np.column_stack([code // width, code % width + left]), square_of, n_places


def _bins_that_fit(
    grid: Int[np.ndarray, "S 2"], pool_um: float, bin_um: float
) -> Int[np.ndarray, " S"]:
    """Number of bins of a whole array that have their centre in each square."""
    return _bins_along(grid[:, 0], pool_um, bin_um) * _bins_along(grid[:, 1], pool_um, bin_um)


def _bins_along(
    index: Int[np.ndarray, " S"], pool_um: float, bin_um: float
) -> Int[np.ndarray, " S"]:
    n_squares = int(index.max(initial=0)) + 1
    n_bins = int(np.ceil(n_squares * pool_um / bin_um)) + 1
    square = np.floor((np.arange(n_bins) + 0.5) * bin_um / pool_um).astype(np.int64)
    return np.bincount(square, minlength=n_squares)[index]


def _spots(
    grid: Int[np.ndarray, "N 2"], pool_um: float, to_px: Float[np.ndarray, "2 terms"]
) -> Spots:
    centre_um = (grid[:, ::-1] + 0.5) * pool_um
    return Spots(
        ids=tuple(f"s_{pool_um:g}um_{row:05d}_{column:05d}" for row, column in grid.tolist()),
        xy=px_of(centre_um, to_px),
        diameter_um=pool_um,
        pitch_um=pool_um,
        shape="squares",
        array=grid.astype(np.float64),
    )


def _summed(
    counts: sp.csr_matrix | Iterable[sp.csr_matrix], row: Int[np.ndarray, " M"], n_squares: int
) -> sp.csr_matrix:
    """Sum counts by square; `row` is the square of each place, -1 for none."""
    total: sp.csr_matrix | None = None
    start = 0
    chunks: Iterable[Any] = [counts] if sp.issparse(counts) else counts
    for chunk in chunks:
        square = row[start : start + chunk.shape[0]]
        if len(square) < chunk.shape[0]:
            raise ValueError(f"more rows of counts than the {len(row)} places")
        start += len(square)
        place = np.flatnonzero(square >= 0)
        ones = np.ones(len(place), dtype=np.int32)
        members = sp.csr_matrix((ones, (square[place], place)), (n_squares, len(square)))
        part = members @ chunk
        total = part if total is None else total + part
    if total is None:
        raise ValueError("no chunk of counts")
    total.sort_indices()
    return total


def _notes(
    n_squares: int,
    n_places: int,
    left_out: Int[np.ndarray, " 2"],
    pool_um: float,
    bin_um: float,
) -> tuple[str, ...]:
    notes = [
        f"pooled: {n_squares:,} squares of {pool_um:g} um from {n_places:,} bins of {bin_um:g} um"
    ]
    if left_out[0]:
        notes[0] += (
            "; squares left out, with less than half of their bins in tissue: "
            f"{left_out[0]:,} ({left_out[1]:,} bins)"
        )
    fewest, most = np.floor(pool_um / bin_um), np.ceil(pool_um / bin_um)
    if fewest < most:
        notes.append(
            f"squares of {pool_um:g} um have {fewest**2:.0f} to {most**2:.0f} bins of {bin_um:g} "
            "um, as their centres fall: their depth differs by that much"
        )
    return tuple(notes)


def _too_small(pool_um: float, bin_um: float) -> Problem:
    return Problem(
        where=f"pool_um {pool_um:g}",
        found=f"bins of {bin_um:g} um, larger than a square of {pool_um:g} um",
        expected=f"squares of {bin_um:g} um or more",
        remedy=f"write {bin_um:g} or more in the column `pool_um`, or name a folder of smaller "
        f"bins; `{NO_POOL}` in the column `pool` keeps the bins as they are",
    )


def _span_um(inside_um: Float[np.ndarray, "m 2"], bin_um: float | None) -> tuple[float, float]:
    """Width and height of the places, with the bins around them."""
    across, down = np.ptp(inside_um, axis=0).tolist() if len(inside_um) else (0.0, 0.0)
    side = bin_um or 0.0
    return across + side, down + side


def _too_large(
    span_um: tuple[float, float], pool_um: float, is_full: Bool[np.ndarray, " S"]
) -> Problem:
    across, down = span_um
    n_left_out = int((~is_full).sum())
    thin = f", and {n_left_out} with less than half of their bins in tissue" if n_left_out else ""
    return Problem(
        where=f"pool_um {pool_um:g}",
        found=f"{is_full.sum()} squares of {pool_um:g} um{thin}: the tissue spans {across:,.0f} x "
        f"{down:,.0f} um",
        expected=f"at least {_LEAST_SQUARES} squares",
        remedy="write a smaller number of um in the column `pool_um`",
    )
