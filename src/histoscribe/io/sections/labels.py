"""A pathologist's label of each spot, from a table."""

from pathlib import Path

import numpy as np
import pandas as pd

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.delimited import read_frame
from histoscribe.io.sections.spot_names import fit_barcodes
from histoscribe.types import Spots

_ARRAY = ["x", "y"]
_NONE = ("", "NA", "N/A", "NaN", "nan", "None", "null", "NULL")
"""Spellings of no label."""
_COLUMNS = "columns spot and label; or x, y (array units) and label"


def read_labels(path: Path, spots: Spots) -> tuple[str | None, ...]:
    """Read labels in the order of the section's spots; None for unlabelled spots.

    The header of the table has `label` and either `spot` (ids as in the section, or barcodes that
    differ in what all of them begin or end with) or `x` and `y` in array units, which name a spot
    of a legacy array `{round(x)}x{round(y)}`. Lines of spots that the section lacks are ignored:
    they may have been filtered out.

    Raises
    ------
    DataContractError
        if there is no such table, a column is missing, a spot has two labels, or no spot is of the
        section.
    """
    table = _table(path)
    ids = _named(path, table["spot"], spots) if "spot" in table else _array_ids(path, table)
    labelled = pd.Series(table["label"].str.strip().to_numpy(), index=ids.to_numpy())
    labelled = labelled[~labelled.isin(_NONE)]
    two = labelled.groupby(level=0).nunique()
    if (two > 1).any():
        names = ", ".join(two[two > 1].index[:3])
        raise _broken(path, f"{int((two > 1).sum())} spots under two labels: {names}", "one each")
    of_spot = dict(zip(labelled.index, labelled, strict=True))
    found = tuple(of_spot.get(id_) for id_ in spots.ids)
    if not any(found):
        first = ", ".join(map(str, labelled.index[:3])) or "none"
        raise _broken(
            path,
            f"labels of {len(labelled)} spots ({first}), none of them of this section",
            f"spots as named in the section, e.g. {', '.join(spots.ids[:3])}",
        )
    return found


def _table(path: Path) -> pd.DataFrame:
    try:
        table = read_frame(path, words=True)
    except OSError as error:
        raise _broken(path, f"cannot be read ({error.strerror})", "a table of labels") from None
    if "label" not in table or not ("spot" in table or set(_ARRAY) <= set(table)):
        raise _broken(path, f"columns {', '.join(map(str, table))}", _COLUMNS)
    return table


def _named(path: Path, names: pd.Series, spots: Spots) -> pd.Series:
    fit = fit_barcodes(tuple(names), spots.ids)
    if fit.problem:
        raise _broken(path, fit.problem, "names that fit the spots in one way")
    return pd.Series(fit.ids)


def _array_ids(path: Path, table: pd.DataFrame) -> pd.Series:
    place = table[_ARRAY].apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(place).all(axis=None):
        raise _broken(path, "gaps or words in x, y", "numbers in every line")
    x, y = np.rint(place.to_numpy()).astype(np.int64).T
    return pd.Series([f"{column}x{row}" for column, row in zip(x, y, strict=True)])


def _broken(path: Path, found: str, expected: str) -> DataContractError:
    return DataContractError(Problem(f"labels {path}", found, expected, "correct the table"))
