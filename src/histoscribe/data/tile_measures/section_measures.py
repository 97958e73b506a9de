"""Measures of the tiles of all spots of a section, taken once and kept in the cache."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import safetensors.numpy
from jaxtyping import Float, Float32

from histoscribe.data.tile_measures.measures import find_measures
from histoscribe.data.tile_measures.stain_strength import eosin_strength, haematoxylin_strength
from histoscribe.data.tile_measures.stained_tile import StainedTile
from histoscribe.data.tiles import SlideLook, Tiles, grid_order, tile_batches
from histoscribe.io.atomic import replacing
from histoscribe.progress import track
from histoscribe.types import Section

STAIN = "stain"
"""Name of the strength of both stains together."""
STAIN_STRENGTHS = {
    "haematoxylin_strength": haematoxylin_strength,
    "eosin_strength": eosin_strength,
}
"""What `stain` stands for."""
_VERSION = 1  # of what is computed: another one reads no older file
_BATCH = 64


def section_measures(
    section: Section,
    tiles: Tiles,
    names: Sequence[str],
    *,
    cache: Path,
    slide_look: SlideLook | None = None,
) -> Float32[np.ndarray, "N M"]:
    """Measure the tile of each spot, in the order of the spots; NaN where one is undefined.

    Names are those of `MEASURES` and of `STAIN_STRENGTHS`.

    Raises
    ------
    DataContractError
        for unknown names, and for measures that need finer tiles.
    """
    values = _functions(names, tiles.mpp)
    path = cache / "measures" / f"{_key(section, tiles, names)}.safetensors"
    if path.is_file():
        return safetensors.numpy.load_file(path)["values"]
    tiles.check(section)
    measured = np.full((len(section.spots), len(names)), np.nan, dtype=np.float32)
    order = grid_order(section.spots, section.slide.mpp)
    batches = [order[start : start + _BATCH] for start in range(0, len(order), _BATCH)]
    read = tile_batches(section, tiles, batches, slide_look)
    for rows, image in zip(
        batches, track(read, f"measures {section.id}", len(batches)), strict=True
    ):
        for row, pixels in zip(rows, image.permute(0, 2, 3, 1).numpy(), strict=True):
            tile = StainedTile(pixels, tiles.mpp)
            if tile.has_tissue:
                measured[row] = [value(tile) for value in values]
    with replacing(path) as temporary:
        safetensors.numpy.save_file({"values": measured}, temporary)
    return measured


def bag_means(
    values: Float[np.ndarray, "N M"], runs: Sequence[np.ndarray]
) -> Float32[np.ndarray, "B M"]:
    """Mean measures of the tiles of each bag, undefined ones left out; NaN where all are."""
    means = np.full((len(runs), values.shape[1]), np.nan, dtype=np.float32)
    for place, run in enumerate(runs):
        known = np.isfinite(values[run])
        total = np.where(known, values[run], 0.0).sum(axis=0, dtype=np.float64)
        with np.errstate(invalid="ignore"):
            means[place] = total / np.where(known.any(axis=0), known.sum(axis=0), np.nan)
    return means


def _functions(names: Sequence[str], mpp: float) -> list[Callable[[StainedTile], float]]:
    found = find_measures([name for name in names if name not in STAIN_STRENGTHS], mpp)
    values = {measure.name: measure.value for measure in found} | STAIN_STRENGTHS
    return [values[name] for name in names]


def _key(section: Section, tiles: Tiles, names: Sequence[str]) -> str:
    """Everything that decides the values."""
    origin = {
        "slide": f"{section.slide.pixel_hash()} at {section.slide.mpp!r} um/px",
        "spots": hashlib.sha256(np.ascontiguousarray(section.spots.xy).tobytes()).hexdigest(),
        "tiles": tiles.identity,
        "measures": list(names),
        "version": _VERSION,
    }
    return hashlib.sha256(json.dumps(origin, sort_keys=True).encode()).hexdigest()
