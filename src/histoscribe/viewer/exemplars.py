"""Exemplars of a place: the training spots that its model looked up, with their tiles."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from histoscribe.io.files import read_json
from histoscribe.types import Head, SpotKeys

ROWS, DISTANCES = "exemplar_row", "exemplar_distance"
"""Evidence of a prediction: rows of the exemplars in the pool, and their distances."""
_POOL, _RECORD = "exemplars.safetensors", "predictor.json"
Tiles = Callable[[str, str], UInt8[np.ndarray, "P P 3"]]
"""Reads the tile of a spot, by the names of section and spot."""


@dataclass(frozen=True, eq=False)
class ExemplarOrigin:
    """Where the exemplars of a predictor lie."""

    keys: SpotKeys
    tile: Tiles


@dataclass(frozen=True)
class TileSize:
    """Tiles as a predictor reads them."""

    side_px: int
    mpp: float


def keys_of_predictor(folder: Path) -> SpotKeys | None:
    """Section, patient and spot of each exemplar of a predictor; None for one without any."""
    if not (folder / _POOL).is_file():
        return None
    # torch, which takes seconds to import, is needed for models with exemplars only
    from histoscribe.data.exemplars.lookup import read_exemplar_keys

    return read_exemplar_keys(folder / _POOL)


def tile_size(folder: Path) -> TileSize:
    """Size of the tiles of a predictor."""
    encoding: Mapping[str, Any] = read_json(folder / _RECORD)["encoding"]
    return TileSize(int(encoding["tile_px"]), float(encoding["mpp"]))


def exemplars_of(head: Head, place: int, origin: ExemplarOrigin | None) -> list[dict[str, Any]]:
    """Exemplars of a place, the nearest first; their names are None if their origin is unknown.

    Models of today give no weights to their exemplars: the distance says how alike they are.
    """
    rows = _rows(head, place)
    distance = head.evidence.get(DISTANCES, np.full((len(head.spots), len(rows)), np.nan))[place]
    return [
        {**_names(origin, row), "weight": None, "distance": _rounded(distance[rank])}
        for rank, row in enumerate(rows)
    ]


def _rounded(distance: float) -> float | None:
    """Distance with four digits; None for an unknown one, which JSON has no number for."""
    return float(f"{distance:.4g}") if np.isfinite(distance) else None


def exemplar_tile(
    head: Head, place: int, rank: int, origin: ExemplarOrigin
) -> UInt8[np.ndarray, "P P 3"] | None:
    """Tile of the exemplar of a rank from 0; None beyond the last one."""
    rows = _rows(head, place)
    if rank >= len(rows):
        return None
    keys, row = origin.keys, rows[rank]
    return origin.tile(keys.sections[keys.section[row]], str(keys.spot[row]))


def _rows(head: Head, place: int) -> list[int]:
    rows: Float[np.ndarray, " E"] = head.evidence[ROWS][place]
    return [int(row) for row in rows]


def _names(origin: ExemplarOrigin | None, row: int) -> dict[str, Any]:
    if origin is None:
        return {"patient": None, "section": None, "spot": None}
    keys = origin.keys
    code = int(keys.patient[row])
    return {
        "patient": keys.patients[code] if code >= 0 else None,
        "section": keys.sections[keys.section[row]],
        "spot": str(keys.spot[row]),
    }
