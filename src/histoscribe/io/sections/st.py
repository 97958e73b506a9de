"""Spatial Transcriptomics arrays before Visium: `st` (1k, square) and `st2k` (staggered)."""

from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.count_table import read_count_table
from histoscribe.io.sections.delimited import flags_of, read_positions
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.spot_names import fit_places
from histoscribe.io.sections.table import broken
from histoscribe.io.slides.resolution import Resolutions, lattice_steps
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Spots

_PITCH_UM = {"st": 200.0, "st2k": 141.4}
"""Distance of neighbouring centres.

The 1k array is a square grid of 200 um. The 2k array prints a second grid of 200 um between the
spots of the first, shifted by half a step in x and y: in array units of 100 um a spot has x + y
even, and its nearest neighbours are one unit away in both, 100 * sqrt(2) = 141.4 um (not 100). On
the arrays of STUtility that is 32.3 px; the printed area, 6.2 x 6.6 mm, then measures 65 x 62 units
of 95 x 106 um, which gives 142.9 um: the two agree within 1.1 %.
"""
_DIAMETER_UM = {"st": 100.0, "st2k": 100.0}
_ARRAY = ("x", "y")
_PRINTED = ("new_x", "new_y")
_PX = (("app_px", "app_py"), ("pixel_x", "pixel_y"))
"""Columns of spot centres: in a rescaled image, or in the image of the experiment."""


def read_array(source: Source, kind: str) -> Reading:
    """Read image, count table and spot table (selection file or alignment table) of an array.

    A spot is named `{round(x)}x{round(y)}` in the count table. Spots that are not `selected` are
    not under tissue.
    """
    if source.spots is None:
        raise ValueError(f"a section of kind {kind} needs spots")
    table = read_positions(source.spots, _ARRAY)
    px = next((names for names in _PX if set(names) <= set(table.columns)), _PX[-1])
    printed = _PRINTED if set(_PRINTED) <= set(table.columns) else ()
    table = read_positions(source.spots, (*_ARRAY, *px, *printed))
    if "selected" in table:
        table["selected"] = flags_of(source.spots, table["selected"]).astype(np.int64)
    return array_reading(source, kind, table, px)


def array_reading(source: Source, kind: str, table: pd.DataFrame, px: tuple[str, str]) -> Reading:
    """Combine image, counts and a table of spots, whatever layout the table had.

    `table` has a spot per row: `x` and `y` in array units, the columns `px` in px of the image,
    and, if the experiment gives them, printed positions (`new_x`, `new_y`) and `selected`.
    """
    if source.image is None or source.counts is None:
        raise ValueError(f"a section of kind {source.kind} needs image and counts")
    array, xy = (table[list(names)].to_numpy(np.float64) for names in (_ARRAY, px))
    _check_array(source, kind, array)
    ids = _ids(source, array)
    printed = _fine_array(table)
    counts, count_ids, notes = read_count_table(
        source.counts, partial(fit_places, spots=ids, printed=printed), source.facts.get("genome")
    )
    pitch_px = _pitch_px(kind, printed, xy)
    stated_mpp = image_mpp(source.image, source.image_number)
    resolutions = Resolutions(source.mpp, stated_mpp, _PITCH_UM[kind] / pitch_px)
    mpp, origin = resolutions.settle(source.where, source.mpp_from)
    everywhere = np.ones(len(ids), dtype=np.int64)
    selected = table["selected"].to_numpy() if "selected" in table else everywhere
    unplaced = len(set(count_ids) - set(ids))
    if unplaced:
        notes += (f"{unplaced} rows of the count table have no position",)
    return Reading(
        slide=open_slide(source.image, mpp, source.white, source.image_number),
        spots=Spots(ids, xy, _DIAMETER_UM[kind], _PITCH_UM[kind]),
        in_tissue=selected == 1,
        counts=counts,
        count_ids=count_ids,
        notes=(origin, *table.attrs.get("notes", ()), *notes),
        array=np.ascontiguousarray(array[:, ::-1]),
    )


def array_kind(array: Float[np.ndarray, "N 2"]) -> str:
    """Kind of an array by its positions: x + y is even at every spot of a staggered one."""
    return "st2k" if (np.rint(array).sum(axis=1) % 2 == 0).all() else "st"


_NEEDS = ("image", "counts", "spots")
ST = Reader("st", "legacy ST, square array", _NEEDS, partial(read_array, kind="st"))
ST2K = Reader("st2k", "ST 2k, staggered array", _NEEDS, partial(read_array, kind="st2k"))


def _fine_array(table: pd.DataFrame) -> np.ndarray:
    """Array coordinates as printed (fractions), if the table has them."""
    names = list(_PRINTED if set(_PRINTED) <= set(table.columns) else _ARRAY)
    return table[names].to_numpy(np.float64)


def _pitch_px(kind: str, array: np.ndarray, xy: np.ndarray) -> float:
    x, y = lattice_steps(array, xy)
    neighbours = (x, y) if kind == "st" else (x + y, x - y)
    return float(np.mean([np.hypot(*step) for step in neighbours]))


def _ids(source: Source, array: np.ndarray) -> tuple[str, ...]:
    ids = tuple(f"{x}x{y}" for x, y in np.rint(array).astype(np.int64))
    if len(set(ids)) != len(ids) and source.spots is not None:
        raise broken(source.spots, "two spots at one array position", "each position once")
    return ids


def _check_array(source: Source, kind: str, array: np.ndarray) -> None:
    """Refuse a staggered array read as a square one, or the reverse: um/px would be off by 1.4."""
    if len(np.unique(array[:, 0])) < 2 or len(np.unique(array[:, 1])) < 2:
        raise DataContractError(
            Problem(
                where=str(source.spots),
                found=f"{len(array)} spots on one line of the array",
                expected="spots over at least two rows and two columns",
                remedy="give the whole spot table",
            )
        )
    staggered = array_kind(array) == "st2k"
    if staggered != (kind == "st2k") and len(array) >= 10:
        raise DataContractError(
            Problem(
                where=str(source.spots),
                found=f"a {'staggered' if staggered else 'square'} array under kind {kind}",
                expected="x + y even at every spot of a 2k array, and not on a 1k array",
                remedy=f"set kind to {'st2k' if staggered else 'st'}",
            )
        )
