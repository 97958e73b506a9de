"""One section of a run that Space Ranger's `aggr` made of several.

Such a run has one matrix for all its libraries, whose barcodes end with the number of the library,
one table of positions beside it, and a folder of images and scale factors for each library.
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Int

from histoscribe.io.files import read_bytes
from histoscribe.io.sections.library import BASES, Mark, barcode_tags, choose_library
from histoscribe.io.sections.run_files import RunFiles

_NAMES = ("library_id", "sample_id")
"""Columns of `aggregation.csv` with the name of a library, by version of Space Ranger."""


@dataclass(frozen=True, eq=False)
class RunLibrary:
    """Spots and counts of one library of a run."""

    name: str
    files: RunFiles
    """Files of the run, with the folder of this library for its images."""
    spots: Int[np.ndarray, " N"]
    """Rows of the table of positions."""
    counts: Int[np.ndarray, " n"]
    """Rows of the counts."""
    ids: tuple[str, ...]
    """Spot of each of these rows, as the positions name it."""


def run_library(
    files: RunFiles, spots: tuple[str, ...], counted: tuple[str, ...], library: str | None
) -> RunLibrary | None:
    """Choose the spots and counts of a library; None where the run has one.

    `spots` and `counted` are the barcodes of positions and counts. Libraries are named as in the
    folders of the run or in `aggregation.csv`, else by the number behind their barcodes.

    Raises
    ------
    DataContractError
        if the counts are of several libraries and `library` names none of them.
    """
    tags = barcode_tags((*spots, *counted))
    of_spots, of_counts = np.array(tags[: len(spots)]), np.array(tags[len(spots) :])
    names = _names(files)
    mark = Mark("barcodes", tuple(names.get(tag, tag) for tag in of_counts.tolist()))
    rows = choose_library(str(files.root), [mark], (), library)
    if rows is None:
        rows = np.arange(len(counted))
    tag = str(of_counts[rows[0]])
    ids = tuple(counted[row] for row in rows)
    places = np.flatnonzero(of_spots == tag)
    if len(set(of_spots.tolist())) == 1:
        if len(rows) == len(counted):
            return None
        places, ids = np.arange(len(spots)), _renamed(ids, spots)
    name = names.get(tag, tag)
    folder = files.spatial / name
    if folder.is_dir():
        files = replace(files, spatial=folder)
    return RunLibrary(name, files, places, rows, ids) if len(places) else None


def _names(files: RunFiles) -> Mapping[str, str]:
    """Name of each library by the number behind its barcodes."""
    found = {}
    for path in sorted(files.spatial.glob("*/scalefactors_json.json*")):
        try:
            found[str(json.loads(read_bytes(path))["gem_id"])] = path.parent.name
        except (ValueError, KeyError, TypeError):
            continue  # `aggr` writes the number; another folder is none of its libraries
    tables = sorted(files.root.glob("*aggregation.csv*"))
    if found or len(tables) != 1:
        return found
    lines = read_bytes(tables[0]).decode("utf-8-sig", errors="replace").splitlines()
    rows = list(csv.DictReader(lines))
    column = next((name for name in _NAMES if rows and name in rows[0]), None)
    return {
        str(n): str(row[column]) for n, row in enumerate(rows, start=1) if column and row[column]
    }


def _renamed(names: Sequence[str], spots: Sequence[str]) -> tuple[str, ...]:
    """Name barcodes as the positions of one library do, by their bases."""
    spot_of = {match[0]: spot for spot in spots if (match := BASES.search(spot))}
    bases = [match[0] if (match := BASES.search(name)) else name for name in names]
    return tuple(spot_of.get(of, name) for of, name in zip(bases, names, strict=True))
