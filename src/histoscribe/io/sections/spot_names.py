"""Names of spots that differ between the files of a section, matched where that is certain."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from jaxtyping import Float
from scipy.spatial import cKDTree

_NUMBER = r"(\d+(?:[.,]\d+)?)"
_PLACE = re.compile(rf"(.*[-_:#/ ])?(X?){_NUMBER}x{_NUMBER}([-_:#/ .]\w+)?")
"""Array position in a name: `17x9`, `17.002x8.987`, `X17x9` of R, `S1_17x9` of a sample."""
_BOUNDARY = "-_.:#/| "
"""Signs between a barcode and the name of its sample or well."""
_SAME = 0.0075
"""Units of the array by which a place may differ in two files, rounded to 2 or 3 digits."""
_BETWEEN = 0.4
"""Units of the array: a spot further from every whole position has no nearest one for certain.

In her2st and MOB, 9 of 10 spots are within 0.15 and all but 4 of 10,000 within 0.35.
"""
_SHARE = 0.5
"""Least share of the names, or of the spots, that must fit before names are read in another way."""


@dataclass(frozen=True)
class NameFit:
    """Names of a file as spots of the section."""

    ids: tuple[str, ...]
    """The spot of each name; the name itself where no spot has it."""
    n: int
    """Number of names that are spots."""
    notes: tuple[str, ...] = ()
    """How the names were read, where they are not the ids of the spots."""
    problem: str | None = None
    """Why the names fit in more than one way."""


FitNames = Callable[[Sequence[str]], NameFit]
"""Finds the spots of names."""


def fit_barcodes(names: Sequence[str], spots: Sequence[str]) -> NameFit:
    """Fit names to spots: as they are, or without what all names of one file begin or end with.

    Space Ranger ends a barcode with `-1`, R writes `.1`, other tools cut it off or put the sample
    in front (`S1_`). What is cut is the same for all names of a file, so two names never become
    one.
    """
    known = set(spots)
    if n := sum(name in known for name in names):
        return NameFit(tuple(names), n)
    fits: dict[tuple[str, ...], str] = {}
    given = _without_affixes(spots)
    for ids, cut in _without_affixes(names).items():
        for cores, spots_cut in given.items():
            spot_of = dict(zip(cores, spots, strict=True))
            n = sum(id_ in spot_of for id_ in ids)
            if n and n >= _SHARE * min(len(names), len(spots)):
                mapped = tuple(spot_of.get(id_, name) for id_, name in zip(ids, names, strict=True))
                fits.setdefault(mapped, _words(cut, spots_cut))
    if not fits:
        return NameFit(tuple(names), 0)
    mapped, note = next(iter(fits.items()))
    n = sum(id_ in known for id_ in mapped)
    if len(fits) > 1:
        return NameFit(mapped, n, problem=f"names that fit in two ways: {'; '.join(fits.values())}")
    return NameFit(mapped, n, (note,))


def fit_places(
    names: Sequence[str], spots: Sequence[str], printed: Float[np.ndarray, "N 2"] | None
) -> NameFit:
    """Fit names that hold an array position to spots called `{round(x)}x{round(y)}`.

    Names with fractions are places as printed: they are the spots whose `printed` place (`new_x`,
    `new_y`) is the same, else those at the nearest whole position.
    """
    places, rows, cut = _places(names)
    if not len(rows):
        return NameFit(tuple(names), 0)
    notes: tuple[str, ...] = ()
    if cut:
        notes = (f"spots of the count table are named {cut}: read without it",)
    if np.array_equal(places, np.rint(places)):
        nearest, how = _whole(places, spots), None
    elif printed is not None and (same := _printed(places, spots, printed)) is not None:
        nearest, how = same, "new_x, new_y"
    else:
        nearest, how = _rounded(places, spots), "the nearest whole position"
    if how:
        notes += (f"spots of the count table are named like {names[rows[0]]}: matched by {how}",)
    ids = list(names)
    for row, spot in zip(rows, nearest, strict=True):
        ids[row] = spot or names[row]
    twice = {spot for spot, n in Counter(spot for spot in nearest if spot).items() if n > 1}
    problem = None
    if how and twice:  # a name that is there twice is told by the table
        both = [name for name, spot in zip(names, ids, strict=True) if spot in twice]
        problem = f"{len(both)} names of {len(twice)} spots: {', '.join(both[:4])}"
    return NameFit(tuple(ids), sum(spot is not None for spot in nearest), notes, problem)


def is_place(name: str) -> bool:
    """Whether a name holds an array position.

    >>> is_place("17.002x8.987"), is_place("ACTB")
    (True, False)
    """
    return _PLACE.fullmatch(name) is not None


def _without_affixes(names: Sequence[str]) -> dict[tuple[str, ...], tuple[str, str]]:
    """Names without a common beginning and end, cut at a boundary, and what was cut: less first."""
    if len(names) < 2:
        return {tuple(names): ("", "")}
    start = _common_start(names)
    end = _common_start([name[::-1] for name in names])[::-1]
    starts = ["", *(start[: at + 1] for at, sign in enumerate(start) if sign in _BOUNDARY)]
    ends = ["", *(end[at:] for at in reversed(range(len(end))) if end[at] in _BOUNDARY)]
    pairs = sorted(((a, b) for a in starts for b in ends), key=lambda pair: len("".join(pair)))
    shortest = min(map(len, names))
    return {
        tuple(name[len(a) : len(name) - len(b)] for name in names): (a, b)
        for a, b in pairs
        if len(a) + len(b) < shortest
    }


def _common_start(names: Sequence[str]) -> str:
    """What all names begin with: in their order, the first and the last differ most."""
    pairs = zip(min(names), max(names), strict=False)
    return "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _words(of_names: tuple[str, str], of_spots: tuple[str, str]) -> str:
    """Note of the cut parts, by file."""
    said = []
    for where, (start, end) in (("counts", of_names), ("positions", of_spots)):
        cut = [f"`{part}` {side}" for part, side in ((start, "in front"), (end, "behind")) if part]
        if cut:
            said.append(f"{' and '.join(cut)} in the {where}")
    return f"barcodes match without {' and '.join(said)}"


def _places(names: Sequence[str]) -> tuple[np.ndarray, list[int], str]:
    """Array places in names, their rows, and the other text that every name has.

    No row if the names differ in what else they hold: they are of several samples.
    """
    matches = [(row, _PLACE.fullmatch(name)) for row, name in enumerate(names)]
    found = [(row, match) for row, match in matches if match]
    rests = {(match[1] or "", match[2], match[5] or "") for _, match in found}
    if len(rests) != 1:
        return np.empty((0, 2)), [], ""
    places = [[float(match[n].replace(",", ".")) for n in (3, 4)] for _, match in found]
    start, mangled, end = rests.pop()
    cut = " and ".join(f"`{part}`" for part in (start + mangled, end) if part)
    return np.array(places), [row for row, _ in found], f"with {cut}" if cut else ""


def _whole(places: np.ndarray, spots: Sequence[str]) -> list[str | None]:
    known = set(spots)
    ids = [f"{x}x{y}" for x, y in places.astype(np.int64)]
    return [id_ if id_ in known else None for id_ in ids]


def _printed(
    places: np.ndarray, spots: Sequence[str], printed: np.ndarray
) -> list[str | None] | None:
    """Spots printed at these places; None where less than half are."""
    distance, spot = cKDTree(printed).query(places, p=np.inf)
    same = distance <= _SAME
    if same.mean() < _SHARE:
        return None
    return [spots[at] if is_same else None for at, is_same in zip(spot, same, strict=True)]


def _rounded(places: np.ndarray, spots: Sequence[str]) -> list[str | None]:
    near = np.abs(places - np.rint(places)).max(axis=1) <= _BETWEEN
    ids = _whole(np.rint(places), spots)
    return [id_ if is_near else None for id_, is_near in zip(ids, near, strict=True)]
