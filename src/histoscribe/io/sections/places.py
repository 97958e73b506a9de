"""Places of spots: on the image, and in the order of the printed array.

A position can be wrong and still look like one: rows and columns exchanged, y counted from below,
px of a smaller copy of the image, um for px. What files state is enough to tell most of these. No
position is corrected here: a message says what fits, and the user decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.printed_array import is_mirrored, said_mirrored, turn_problem
from histoscribe.io.sections.source import Reading, Source
from histoscribe.types import Slide

_MOST_OUTSIDE = 0.2
"""Largest share of spots that may be left out because they lie past the edge of the image. A
sample of HEST-1k (TENX92) has some; above it, the image is wrong."""
_FEW = 0.02
"""Up to this share, or two spots, no turn of the axes is tried."""
_CROPPED = 0.1
"""Largest share past both the right and the lower edge: more is an image of another size."""
_TINY = 0.2
"""Share of width and height below which spots span little of an image."""
_Xy = Float[np.ndarray, "N 2"]


@dataclass(frozen=True, eq=False)
class PlacesOnImage:
    """Spots on the image, and notes on the others."""

    inside: Bool[np.ndarray, " N"]
    notes: tuple[str, ...]


def places_of(reading: Reading, keep: Bool[np.ndarray, " N"], source: Source) -> PlacesOnImage:
    """Check positions of the spots kept against image and array.

    A few spots past the edge are marked as outside. Where array rows and columns are known, the
    array must be turned on the image, but not mirrored.

    Raises
    ------
    DataContractError
        if more than a few spots lie outside, if another reading of the positions would bring them
        inside, or if the array is mirrored and the manifest does not say so. The message names the
        readings that fit.
    """
    xy = reading.spots.xy
    inside = _inside(xy, reading.slide)
    n_outside = int((keep & ~inside).sum())
    problems, notes = [], []
    if n_outside:
        turns = _fits(_turned(reading), reading, keep, mirrored=said_mirrored(source))
        if _are_many(xy[keep], reading.slide, turns):
            scaled = _fits(_scaled(reading), reading, keep, mirrored=said_mirrored(source))
            problems.append(_outside(reading, keep, source, [*turns, *scaled]))
        notes.append(_past_edge(xy[keep & ~inside], reading.slide))
    if reading.array is not None and (
        found := turn_problem(reading.array[keep & inside], xy[keep & inside], source)
    ):
        problems.append(found)
    if problems:
        raise DataContractError(problems)
    if reading.array is not None and said_mirrored(source):
        notes.append("the image is a mirror image of the array, as the manifest says")
    return PlacesOnImage(inside, (*notes, *_little(reading, keep & inside)))


def spans(xy: _Xy, slide: Slide) -> tuple[float, float]:
    """Share of the width and of the height of an image that spots span."""
    across, down = np.ptp(xy, axis=0).tolist() if len(xy) else (0.0, 0.0)
    return across / slide.width, down / slide.height


def said_spans(xy: _Xy, slide: Slide) -> str:
    """Say what share of an image spots span."""
    across, down = (100 * share for share in spans(xy, slide))
    digits = [1 if share < 10 else 0 for share in (across, down)]
    return f"{across:.{digits[0]}f} % of the width and {down:.{digits[1]}f} % of the height"


def _inside(xy: _Xy, slide: Slide) -> Bool[np.ndarray, " N"]:
    x, y = xy.T
    return (x >= 0) & (x <= slide.width) & (y >= 0) & (y <= slide.height)


def _are_many(xy: _Xy, slide: Slide, turns: list[str]) -> bool:
    """Whether more spots lie outside than an image that is cut short explains."""
    n = int((~_inside(xy, slide)).sum())
    beyond_both = bool((xy.max(axis=0) > (slide.width, slide.height)).all() and xy.min() >= 0)
    most = _FEW if turns else _CROPPED if beyond_both else _MOST_OUTSIDE
    return n > _MOST_OUTSIDE * len(xy) or n > max(2, most * len(xy))


def _turned(reading: Reading) -> Iterator[tuple[str, _Xy]]:
    """Positions with other axes, in words, and their centres."""
    x, y = reading.spots.xy.T
    height = reading.slide.height
    yield "x and y exchanged", np.column_stack([y, x])
    yield "y negated (-y)", np.column_stack([x, -y])
    yield "y counted from below (height - y)", np.column_stack([x, height - y])
    yield "y below the image (height + y)", np.column_stack([x, height + y])
    yield "x negated (-x)", np.column_stack([-x, y])
    yield "exchanged and y negated (x = -y, y = x)", np.column_stack([-y, x])
    yield "exchanged and x negated (x = y, y = -x)", np.column_stack([y, -x])


def _scaled(reading: Reading) -> Iterator[tuple[str, _Xy]]:
    """Positions in px of another image, or in um."""
    xy, mpp = reading.spots.xy, reading.slide.mpp
    for name, factor in reading.scales:
        yield f"times {factor:.4g} ({name} scale factor)", xy * factor
        yield f"divided by {factor:.4g} ({name} scale factor)", xy / factor
    yield f"um for px (divided by {mpp:.4g} um/px)", xy / mpp


def _fits(
    readings: Iterator[tuple[str, _Xy]],
    reading: Reading,
    keep: Bool[np.ndarray, " N"],
    *,
    mirrored: bool,
) -> list[str]:
    """Say which other readings bring all spots inside; of an array, none that mirrors it."""
    n = int(keep.sum())
    return [
        f"{words}: {n} of {n} inside, over {said_spans(xy[keep], reading.slide)}"
        for words, xy in readings
        if (reading.array is None or is_mirrored(reading.array, xy) in (None, mirrored))
        and _inside(xy[keep], reading.slide).all()
        and not _is_tiny(reading, xy[keep])
    ]


def _is_tiny(reading: Reading, xy: _Xy) -> bool:
    return max(spans(xy, reading.slide)) < _TINY


def _little(reading: Reading, keep: Bool[np.ndarray, " N"]) -> tuple[str, ...]:
    """Say that spots span little of the image, and which unit of positions would span more."""
    xy = reading.spots.xy[keep]
    if len(xy) < 2 or not _is_tiny(reading, xy):
        return ()
    said = [
        f"{words}: {said_spans(other[keep], reading.slide)}"
        for words, other in _scaled(reading)
        if _inside(other[keep], reading.slide).all() and not _is_tiny(reading, other[keep])
    ]
    others = f"; the positions may be in another unit: {'; '.join(said)}" if said else ""
    return (f"spots span only {said_spans(xy, reading.slide)} of the image{others}",)


def _past_edge(outside: _Xy, slide: Slide) -> str:
    corner = np.array([slide.width, slide.height])
    beyond = float(np.maximum(outside - corner, -outside).max())
    return (
        f"{len(outside)} spots outside the image were left out, at most {beyond:.4g} px past its "
        "edge"
    )


def _outside(
    reading: Reading, keep: Bool[np.ndarray, " N"], source: Source, fits: list[str]
) -> Problem:
    slide, xy = reading.slide, reading.spots.xy[keep]
    n_outside = int((~_inside(xy, slide)).sum())
    (left, top), (right, bottom) = xy.min(axis=0), xy.max(axis=0)
    found = (
        f"{n_outside} of {len(xy)} spots lie outside the image ({slide.path.name}, {slide.width} x "
        f"{slide.height} px): x is {left:,.4g} to {right:,.4g}, y {top:,.4g} to {bottom:,.4g}"
    )
    smaller = max(right / slide.width, bottom / slide.height)
    if min(left, top) >= 0:
        found += f". They fit an image {smaller:.3g} times as large"
    if fits:
        found += f". They fit this image with {'; or with '.join(fits)}"
    remedy = (
        "give the image that the positions were made for, in its full-resolution px, or remove "
        "the spots past its edge"
    )
    return Problem(
        where=source.where,
        found=found,
        expected="every spot centre inside the image, x to the right and y down, in px of its "
        "full resolution",
        remedy=f"correct the positions in the file (none is changed in silence), {remedy}"
        if fits
        else remedy,
    )
