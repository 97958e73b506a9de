"""A section of the ST-Net data set: legacy ST, counts by Ensembl id, spots as a small CSV.

He et al. 2020 (doi 10.1038/s41551-020-0578-x), published as doi 10.17632/29ntw7sh4r.5. Assumptions
about its files:

* counts: tab-separated, genes in columns, one row per spot named `XxY` by its array position,
  including spots off the tissue; genes without a count in the section are left out, as in her2st;
* spots: comma-separated, the first column the same `XxY`, then `X` and `Y`, the centre in px of
  the image (`X` to the right, `Y` down); only spots under tissue, and any further column is
  ignored;
* image: one JPEG of the whole array without um/px in it. One step of the array is 200 um, which
  gives about 0.69 um/px.

The tumour annotation is not read: its header is shifted against its columns.
"""

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.delimited import read_frame
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.st import array_reading

_PX = ("X", "Y")
_PLACE = re.compile(r"(\d+)x(\d+)")
_MOST = 5
"""Number of spots that a message lists."""


def read_stnet(source: Source) -> Reading:
    """Read image, count table and spot file of one section; um/px follows from the 200 um pitch.

    Raises
    ------
    DataContractError
        Lists all problems of the spot file: missing columns, spots not named by their position or
        named twice, px that are no numbers; and the problems of the other files.
    """
    if source.spots is None:
        raise ValueError("a section of kind stnet needs spots")
    return array_reading(source, "st", _spots(source.spots), _PX)


STNET = Reader(
    "stnet", "ST-Net data set: legacy ST, spots as CSV", ("image", "counts", "spots"), read_stnet
)


def _spots(path: Path) -> pd.DataFrame:
    """One row per spot: `x` and `y` of the array, `X` and `Y` in px."""
    table = read_frame(path, words=True)
    if problems := list(_problems(path, table)):
        raise DataContractError(problems)
    places = table.iloc[:, 0].str.extract(_PLACE).astype(np.int64)
    px = table[list(_PX)].astype(np.float64)
    return pd.concat([places.set_axis(["x", "y"], axis=1), px], axis=1)


_EXPECTED = "lines of a spot `XxY` and its px, below a header with X and Y"


def _problems(path: Path, table: pd.DataFrame) -> Iterator[Problem]:
    """Problems of the spot file."""
    remedy = "use the spot file as published, or correct it there"
    if missing := [name for name in _PX if name not in table.columns[1:]]:
        found = f"no column {', '.join(missing)}; it has {', '.join(map(str, table.columns))}"
        yield Problem(str(path), found, _EXPECTED, remedy)
    names = table.iloc[:, 0].tolist()
    if odd := [name for name in names if not _PLACE.fullmatch(name)]:
        found = f"{len(odd)} spots not named by their array position: {_some(odd)}"
        yield Problem(str(path), found, "names like 5x12", remedy)
    if twice := [name for name, n in Counter(names).items() if n > 1]:
        found = f"{len(twice)} spots are listed twice: {_some(twice)}"
        yield Problem(str(path), found, "each spot once", remedy)
    for column in set(_PX) - set(missing):
        px = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64)
        wrong = np.flatnonzero(~np.isfinite(px))
        if len(wrong):
            listed = _some([f"{names[row]} ({table[column].iloc[row]!r})" for row in wrong])
            found = f"{len(wrong)} values of {column} that are no numbers: {listed}"
            yield Problem(str(path), found, "px of the image", remedy)


def _some(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_MOST])) + (", ..." if len(names) > _MOST else "")
