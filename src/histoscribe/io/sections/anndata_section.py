"""One section of an AnnData: its spots, and what `uns["spatial"]` keeps of its library."""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from jaxtyping import Float, Int

from histoscribe.io.hdf5 import opened_hdf5
from histoscribe.io.sections.library import (
    SCALE_FACTORS,
    choose_library,
    library_keys,
    marks_of,
    refuse_shared_places,
)
from histoscribe.io.sections.scale_factors import ScaleFactors, scale_factors_of
from histoscribe.io.sections.sparse_arrays import check_sparse
from histoscribe.io.sections.table import broken

_ARRAYS = (("array_row", "array_col"), ("row", "col"))
"""Columns with row and column of the array: of Space Ranger and scanpy, and of R packages."""


@dataclass(frozen=True, eq=False)
class AnnDataSection:
    """Spots of one section, with the scale factors and images of its library."""

    data: ad.AnnData
    rows: Int[np.ndarray, " N"]
    """Row of each spot in the AnnData that was given."""
    key: str | None
    """Entry of `uns["spatial"]` that belongs to these spots; None if none surely does."""
    factors: ScaleFactors
    images: Mapping[str, object]
    notes: tuple[str, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Names of the spots."""
        return tuple(self.data.obs_names.astype(str))


def open_anndata(path: Path) -> ad.AnnData:
    """Open the file; raises DataContractError if it is broken."""
    with opened_hdf5(path, "a complete .h5ad"), warnings.catch_warnings():
        # `section_in` reports it, once the library is chosen
        warnings.filterwarnings("ignore", message="Observation names are not unique")
        data = ad.read_h5ad(path)  # everything, so the sizes were checked before
    check_stored(path, data)
    return data


def check_stored(path: Path, data: ad.AnnData) -> None:
    """Raise DataContractError for a damaged sparse matrix: X, a layer, or X of `raw`."""
    raw = None if data.raw is None else data.raw.X
    for name, stored in {"X": data.X, "raw": raw, **data.layers}.items():
        if sp.issparse(stored):
            check_sparse(f"{path}, {name}", stored)


def section_in(path: Path, data: ad.AnnData, library: str | None) -> AnnDataSection:
    """Take the spots of one section; `library` names it where the AnnData holds several.

    Raises
    ------
    DataContractError
        if the AnnData holds several libraries and none is named, or none with this name; if spot
        names repeat, or there are fewer than two spots.
    """
    spatial = data.uns.get("spatial")
    keys = library_keys(spatial)
    marks = marks_of(data.obs, keys)
    rows = choose_library(str(path), marks, keys, library)
    elsewhere: set[str] = set()
    if rows is not None:
        data = data[rows]
        of_section = marks_of(data.obs, keys)
        elsewhere = {name for mark in marks for name in mark.names}
        elsewhere -= {name for mark in of_section for name in mark.names}
        marks = of_section
    if not data.obs_names.is_unique or data.n_obs < 2:
        raise broken(path, "spot names repeat, or fewer than two spots", "each spot once")
    pinned = {mark.names[0] for mark in marks if len(mark.names) == 1} | {library}
    fit = [key for key in keys if key in pinned] or [key for key in keys if key not in elsewhere]
    key = fit[0] if len(fit) == 1 else None
    entry = spatial if key is None and not keys else spatial[key] if key is not None else {}
    factors = scale_factors_of(_table(entry, SCALE_FACTORS))
    notes = () if rows is None else (f"library {library}: {len(rows)} spots of the file",)
    if rows is None:
        rows = np.arange(data.n_obs)
    return AnnDataSection(data, rows, key, factors, _table(entry, "images"), notes)


def array_of(path: Path, obs: pd.DataFrame) -> Float[np.ndarray, "N 2"] | None:
    """Array position (row, column) of every spot; None if these columns are missing or incomplete.

    Raises DataContractError where two spots have one row and column.
    """
    names = next((pair for pair in _ARRAYS if set(pair) <= set(obs.columns)), None)
    if names is None:
        return None
    array = obs[list(names)].astype(object).apply(pd.to_numeric, errors="coerce")
    if not np.isfinite(array.to_numpy(np.float64)).all():
        return None
    refuse_shared_places(f"{path}, {names[0]} and {names[1]}", array.to_numpy(np.float64))
    return array.to_numpy(np.float64)


def _table(entry: object, name: str) -> Mapping[str, object]:
    found = entry.get(name) if isinstance(entry, Mapping) else None
    return found if isinstance(found, Mapping) else {}
