"""One section a file: the libraries that a file holds, and the choice of one.

Scanpy, squidpy and Space Ranger's `aggr` put several sections into one file, whose spots then lie
over each other. A library is known by a key of `uns["spatial"]`, by a column of `obs` such as
`library_id`, or by what the barcodes have beside their bases (`-1` and `-2`).
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from histoscribe.errors import DataContractError, Problem

COLUMN = "library"
"""Column of a manifest that chooses one of several libraries in a file."""
_COLUMNS = (
    *("library_id", "library", "library_key", "library_name", "libraryid"),
    *("sample_id", "sample", "sample_name", "sampleid", "orig_ident", "batch", "batch_id"),
    *("slide_id", "slide", "section_id", "section", "slice_id", "slice", "capture_area", "puck"),
    *("patient_id", "patient", "donor_id", "donor", "subject_id", "subject", "individual"),
)
"""Columns of `obs` that tell sections or people apart, the surest first."""
SCALE_FACTORS = "scalefactors"
"""Entry of a library in `uns["spatial"]`; a file of one library may leave out its name."""
BASES = re.compile(r"[ACGT]{10,}")
"""Bases of a barcode; what stands beside them tells libraries apart."""
_BETWEEN = re.compile(r"[-_:.#| ]+")
_BARCODES = "barcodes"
_MOST = 8


@dataclass(frozen=True, eq=False)
class Mark:
    """Something in a file that says of each spot to which library it belongs."""

    what: str
    """The column of `obs`, or `barcodes`."""
    of_spot: tuple[str, ...]

    @property
    def names(self) -> list[str]:
        """Names of the libraries, sorted."""
        return sorted(set(self.of_spot))

    def rows(self, name: str) -> Int[np.ndarray, " rows"]:
        """Rows of the spots of one library."""
        return np.flatnonzero(np.array(self.of_spot, dtype=object) == name)


def marks_of(obs: pd.DataFrame, keys: Sequence[str]) -> list[Mark]:
    """Marks of the libraries in a table of spots, the surest first.

    `keys` are the libraries of `uns["spatial"]`: a column with just these values is the surest.
    """
    plain = {str(name): re.sub(r"\W", "_", str(name)).lower() for name in obs.columns}
    known = sorted(
        (name for name in plain if plain[name] in _COLUMNS),
        key=lambda name: _COLUMNS.index(plain[name]),
    )
    marks = [Mark(name, tuple(obs[name].astype(str))) for name in known]
    if len(keys) > 1:
        others = (name for name in plain if name not in known and obs[name].nunique() == len(keys))
        of_keys = (Mark(name, tuple(obs[name].astype(str))) for name in others)
        marks = [mark for mark in of_keys if mark.names == sorted(keys)] + marks
        marks.sort(key=lambda mark: not set(mark.names) <= set(keys))
    tags = barcode_tags(tuple(obs.index.astype(str)))
    # a name of its own for every spot tells no libraries apart
    return [
        mark for mark in (*marks, Mark(_BARCODES, tags)) if len(mark.names) <= max(1, len(obs) // 2)
    ]


def barcode_tags(names: tuple[str, ...]) -> tuple[str, ...]:
    """Parts of spot names beside the bases of their barcodes, without parts that all names share.

    It is empty for all names if one of them is no barcode.

    >>> barcode_tags(("AACCGGTTAACC-1", "AACCGGTTAACC-2"))
    ('1', '2')
    >>> barcode_tags(("left_AACCGGTTAACC-1", "right_AACCGGTTAACC-1"))
    ('left', 'right')
    """
    found = [BASES.search(name) for name in names]
    words: dict[str, tuple[str, ...]] = {}
    for name, bases in zip(names, found, strict=True):
        if bases is None:
            return ("",) * len(names)
        beside = f"{name[: bases.start()]}-{name[bases.end() :]}"
        words.setdefault(beside, tuple(word for word in _BETWEEN.split(beside) if word))
    lengths = {len(of) for of in words.values()}
    # a word at one place that all names share says nothing
    places = range(max(lengths)) if len(lengths) == 1 else ()
    same = {place for place in places if len({of[place] for of in words.values()}) == 1}
    tags = {
        beside: "-".join(word for place, word in enumerate(of) if place not in same)
        for beside, of in words.items()
    }
    return tuple(
        tags[f"{name[: bases.start()]}-{name[bases.end() :]}"]
        for name, bases in zip(names, found, strict=True)
        if bases is not None
    )


def choose_library(
    where: str, marks: Sequence[Mark], keys: Sequence[str], name: str | None
) -> Int[np.ndarray, " rows"] | None:
    """Rows of the library called `name`; None for all spots, where there is one library.

    Raises
    ------
    DataContractError
        if there are several libraries and none is named, or no spot is marked with the name.
    """
    several = [mark for mark in marks if len(mark.names) > 1]
    is_open = len(keys) > 1 and not any(
        len(mark.names) == 1 and mark.names[0] in keys for mark in marks
    )
    if name is None:
        if several or is_open:
            raise DataContractError(_several(where, several, keys if is_open else ()))
        return None
    for rank, mark in enumerate(marks):
        if name in mark.names:
            rows = mark.rows(name)
            mixed = [m for m in marks[:rank] if len({m.of_spot[row] for row in rows}) > 1]
            if mixed:
                raise DataContractError(_several(where, mixed, ()))
            return rows if len(rows) < len(mark.of_spot) else None
    if name in keys and not several:
        return None
    raise DataContractError(_unknown(where, name, marks, keys))


def refuse_shared_places(where: str, places: Float[np.ndarray, "N 2"], share: float = 0.0) -> None:
    """Raise DataContractError if more than this share of the spots lie where another one does."""
    n_places = len(np.unique(places, axis=0))
    if len(places) - n_places > share * len(places):
        raise DataContractError(
            Problem(
                where=where,
                found=f"{len(places) - n_places} of {len(places)} spots lie in the very place of "
                "another: the file may hold several sections",
                expected="one section, and each spot at its own place",
                remedy="write which section each spot is of to a column library_id of obs, and "
                f"name one in the column `{COLUMN}` of the manifest; or correct the places",
            )
        )


def library_keys(spatial: object) -> tuple[str, ...]:
    """Libraries of `uns["spatial"]`: its entries that are tables of their own.

    None if it is itself the table of one library, without a name.
    """
    if not isinstance(spatial, Mapping) or isinstance(spatial.get(SCALE_FACTORS), Mapping):
        return ()
    return tuple(str(key) for key, value in spatial.items() if isinstance(value, Mapping))


def _several(where: str, marks: Sequence[Mark], keys: Sequence[str]) -> Problem:
    told = list(_told(marks, keys))
    names = marks[0].names if marks else sorted(keys)
    return Problem(
        where=where,
        found=f"several libraries: {'; '.join(told)}",
        expected="one section a line of the manifest",
        remedy=f"name one in the column `{COLUMN}` of the manifest, in a line for each section "
        f"(with its patient and image): {_some(names)}",
    )


def _unknown(where: str, name: str, marks: Sequence[Mark], keys: Sequence[str]) -> Problem:
    told = [*_told([mark for mark in marks if any(mark.names)], sorted(keys))]
    return Problem(
        where=where,
        found=f"no spot is marked as of library {name!r}; the file has "
        + ("; ".join(told) or "no libraries"),
        expected=f"a library of the file in the column `{COLUMN}` of the manifest",
        remedy="correct the name, or leave it empty if the file holds one section; where the "
        'names are keys of uns["spatial"] only, write them to a column library_id of obs',
    )


def _told(marks: Sequence[Mark], keys: Sequence[str]) -> Iterator[str]:
    for mark in marks:
        names = [f"{name or '(nothing)'} ({len(mark.rows(name))} spots)" for name in mark.names]
        yield f"{_some(names)} by {_place(mark.what)}"
    if keys:
        yield f'{_some(sorted(keys))} in uns["spatial"]'


def _place(what: str) -> str:
    return "the barcodes" if what == _BARCODES else f'obs["{what}"]'


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_MOST]) + (f", ... ({len(names)})" if len(names) > _MOST else "")
