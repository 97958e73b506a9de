"""Search for ST arrays: a table of spots, a table of counts and an image with the same key."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from histoscribe.errors import DataContractError
from histoscribe.io.cohorts.search.first_lines import first_lines
from histoscribe.io.cohorts.search.listing import (
    FolderFinding,
    Listing,
    PassedOver,
    merged,
    section_key,
    section_name,
)
from histoscribe.io.sections.delimited import cells_of, read_positions, separator_of
from histoscribe.io.sections.source import Source
from histoscribe.io.sections.spot_names import is_place
from histoscribe.io.sections.st import array_kind

_TEXT = tuple(f".{end}{zipped}" for end in ("tsv", "csv", "txt") for zipped in ("", ".gz"))
_PX = ({"app_px", "app_py"}, {"pixel_x", "pixel_y"})
_SPOTS, _COUNTS = "spots", "counts"


@dataclass(frozen=True)
class _Table:
    path: Path
    what: str
    """Spots or counts."""

    @property
    def key(self) -> str:
        """What its name says of its section."""
        return section_key(self.path)


def find_arrays(listing: Listing) -> FolderFinding:
    """Find a section for each table of spots with the one table of counts and image of its key."""
    tables = [_Table(path, what) for path in listing.ending(*_TEXT) if (what := _what(path))]
    keys = dict.fromkeys(table.key for table in tables if table.what == _SPOTS)
    return merged([_arrays(listing, tables, key) for key in keys])


def _what(path: Path) -> str | None:
    """Whether a table holds spots or counts, by its first lines."""
    lines = first_lines(path)
    if len(lines) < 2:
        return None
    try:
        separator = separator_of(path, lines)
    except DataContractError:
        return None
    header, *rows = ([cell.strip() for cell in cells_of(line, separator)] for line in lines)
    names = set(header)
    if {"x", "y"} <= names and any(px <= names for px in _PX):
        return None if "label" in names else _SPOTS
    in_rows = [is_place(row[0]) for row in rows]
    in_header = [is_place(name) for name in islice(header, 1, 50)]
    if all(in_rows) or (len(in_header) > 1 and all(in_header[1:])):
        return _COUNTS
    return None


def _arrays(listing: Listing, tables: Sequence[_Table], key: str) -> FolderFinding:
    """Arrays of a key: one in each folder that holds both tables, else one of all folders."""
    of_key = [table for table in tables if table.key == key]
    folders = {table.path.parent for table in of_key if table.what == _SPOTS}
    apart = [[table for table in of_key if table.path.parent == folder] for folder in folders]
    if all(any(table.what == _COUNTS for table in there) for there in apart):
        return merged([_array(listing, there, key) for there in apart])
    return _array(listing, of_key, key)


def _array(listing: Listing, tables: Sequence[_Table], key: str) -> FolderFinding:
    counts = [table.path for table in tables if table.what == _COUNTS]
    spots = [table.path for table in tables if table.what == _SPOTS]
    images = {path: listing.image(key, path.parent) for path in spots}
    if len(spots) > 1:  # a table for each image: the one that lies beside its own
        near = [path for path, image in images.items() if image and image.parent == path.parent]
        spots = near or spots
    used = frozenset([*counts, *spots])
    if len(counts) != 1 or len(spots) != 1:
        what = "counts" if len(counts) != 1 else "spots"
        found = counts if len(counts) != 1 else spots
        names = f": {', '.join(path.name for path in found[:4])}" if found else ""
        reason = f"an array with {len(found) or 'no'} tables of {what}{names}"
        return FolderFinding(passed=(PassedOver(spots[0], reason),), files=used)
    image = images[spots[0]] or listing.image(key, counts[0].parent)
    if image is None:
        return FolderFinding(
            passed=(PassedOver(spots[0], "an array without an image"),), files=used
        )
    try:
        places = read_positions(spots[0], ("x", "y"))[["x", "y"]].to_numpy(np.float64)
    except DataContractError as error:
        return FolderFinding(passed=(PassedOver(spots[0], error.problems[0].found),), files=used)
    source = Source(
        section=section_name(key),
        patient="",
        kind=array_kind(places),
        image=image,
        counts=counts[0],
        spots=spots[0],
    )
    return FolderFinding(sources=(source,), files=used | {image})
