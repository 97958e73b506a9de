"""The measures of tiles, under their names."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
from jaxtyping import Float, UInt8

from histoscribe.data.tile_measures.nuclear_measures import (
    chromatin_contrast,
    nuclear_area,
    nuclear_density,
    nuclear_eccentricity,
    nuclear_spacing,
)
from histoscribe.data.tile_measures.spaces import fat_share, lumen_share
from histoscribe.data.tile_measures.stain_measures import (
    darkness,
    eosin_density,
    haematoxylin_density,
)
from histoscribe.data.tile_measures.stained_tile import StainedTile
from histoscribe.data.tile_measures.texture import texture_contrast, texture_correlation
from histoscribe.errors import DataContractError, Problem

_NUCLEUS_MPP = 0.7
_TEXTURE_MPP = 1.0
_STAIN_MPP = 4.0


@dataclass(frozen=True)
class Measure:
    """Measure of a tile: name, unit, words, and how to compute it."""

    name: str
    unit: str
    words: str
    """What it is, for a reader of the figure."""
    coarsest_mpp: float
    """um/px above which it is refused."""
    value: Callable[[StainedTile], float]
    """NaN where it is undefined."""


MEASURES: tuple[Measure, ...] = (
    Measure("nuclear_density", "1/mm2", "nuclei per mm2 of tissue", _NUCLEUS_MPP, nuclear_density),
    Measure("nuclear_area", "um2", "mean area of a nucleus", _NUCLEUS_MPP, nuclear_area),
    Measure(
        "nuclear_eccentricity",
        "0..1",
        "mean eccentricity of the nuclei: 0 round, near 1 long",
        _NUCLEUS_MPP,
        nuclear_eccentricity,
    ),
    Measure(
        "chromatin_contrast",
        "relative",
        "variation of haematoxylin within a nucleus, relative to its mean",
        _NUCLEUS_MPP,
        chromatin_contrast,
    ),
    Measure(
        "nuclear_spacing",
        "relative",
        "distance to the nearest nucleus: 1 random, more regular, less clustered",
        _NUCLEUS_MPP,
        nuclear_spacing,
    ),
    Measure(
        "haematoxylin_density",
        "optical density",
        "mean density of haematoxylin",
        _STAIN_MPP,
        haematoxylin_density,
    ),
    Measure("eosin_density", "optical density", "mean density of eosin", _STAIN_MPP, eosin_density),
    Measure("darkness", "optical density", "mean density in grey", _STAIN_MPP, darkness),
    Measure(
        "texture_contrast",
        "optical density",
        "difference of two points 2 um apart",
        _TEXTURE_MPP,
        texture_contrast,
    ),
    Measure(
        "texture_correlation",
        "-1..1",
        "correlation of two points 2 um apart: high for coarse texture",
        _TEXTURE_MPP,
        texture_correlation,
    ),
    Measure("lumen_share", "0..1", "share of the tissue that is lumen", _STAIN_MPP, lumen_share),
    Measure("fat_share", "0..1", "share of the tissue that is fat", _STAIN_MPP, fat_share),
)


@dataclass(frozen=True, eq=False)
class TileMeasures:
    """Measures of several tiles."""

    names: tuple[str, ...]
    values: Float[np.ndarray, "n M"]
    """In the units of the measures; NaN where one is undefined, as of a tile without tissue."""


def tile_measures(
    tiles: UInt8[np.ndarray, "n P P 3"], mpp: float, names: Sequence[str]
) -> TileMeasures:
    """Measure each tile; px of pure white are off the tissue and count nowhere.

    Raises
    ------
    DataContractError
        for unknown names, and for measures that need finer tiles.
    """
    measures = find_measures(names, mpp)
    values = np.full((len(tiles), len(measures)), np.nan)
    for row, pixels in zip(values, tiles, strict=True):
        tile = StainedTile(pixels, mpp)
        if tile.has_tissue:
            row[:] = [measure.value(tile) for measure in measures]
    return TileMeasures(tuple(names), values)


def find_measures(names: Sequence[str], mpp: float) -> tuple[Measure, ...]:
    """Find measures by name that can be taken of tiles of this um/px.

    Raises DataContractError as `tile_measures`.
    """
    by_name = {measure.name: measure for measure in MEASURES}
    problems = [_unknown(name, by_name) for name in names if name not in by_name]
    measures = tuple(by_name[name] for name in names if name in by_name)
    problems += [_too_coarse(measure, mpp) for measure in measures if mpp > measure.coarsest_mpp]
    if problems:
        raise DataContractError(problems)
    return measures


def _unknown(name: str, known: Sequence[str] | dict[str, Measure]) -> Problem:
    near = get_close_matches(name, known, n=2, cutoff=0.5)
    return Problem(
        where=f"measure {name}",
        found="no measure of tiles has this name",
        expected=f"one of {', '.join(known)}",
        remedy=f"did you mean {' or '.join(near)}?" if near else "choose one of these",
    )


def _too_coarse(measure: Measure, mpp: float) -> Problem:
    fit = [other.name for other in MEASURES if mpp <= other.coarsest_mpp]
    return Problem(
        where=f"measure {measure.name}",
        found=f"tiles of {mpp:g} um/px",
        expected=f"at most {measure.coarsest_mpp:g} um/px",
        remedy="use tiles of a finer resolution, or measure "
        + (", ".join(fit) if fit else "another slide"),
    )
