"""Predictions as GeoJSON outlines for QuPath, and tissue polygons from GeoJSON."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.atomic import replacing
from histoscribe.io.files import read_json
from histoscribe.io.predictions.spot_classes import SpotClasses
from histoscribe.types import Spots

Ring = list[tuple[float, float]]
Polygon = list[Ring]
"""Outline first, then holes; level-0 px."""
Measured = Mapping[str, Float[np.ndarray, " _"]]
"""Measurements by name, for consecutive spots."""
_POLYGONS = "polygons of the tissue in level-0 px of the slide"
_EXPORT = "export the annotation from QuPath as GeoJSON (File, Export objects as GeoJSON)"
_DIGITS = 6  # more digits than a predicted value deserves


def write_detections(
    path: Path,
    spots: Spots,
    mpp: float,
    blocks: Iterable[Measured],
    classes: SpotClasses | None = None,
) -> None:
    """Write the outline of every spot, in level-0 px of `mpp` um, as a QuPath detection.

    It is a square or a circle of the spots' size; a cell is a circle of the typical diameter.
    Each block holds the measurements of the next spots by name; a value that is not finite is left
    out. One block is in memory at a time. QuPath fills a spot with the colour of its class.
    """
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as file:
        file.write('{"type": "FeatureCollection", "features": [\n')
        outline = spots.outline(spots.drawn_um / mpp)
        placed = _placed(blocks)
        n_spots = sum(_write_block(file, block, spots, outline, classes) for block in placed)
        file.write("\n]}\n")
        if n_spots != len(spots):
            raise ValueError(f"{n_spots} rows of measurements for {len(spots)} spots")


def read_polygons(path: Path) -> list[Polygon]:
    """Read every polygon of a GeoJSON file, in level-0 px, however it is nested.

    Raises
    ------
    DataContractError
        for a file that is no GeoJSON, and for one without a polygon.
    """
    content = read_json(path, _POLYGONS, _EXPORT)
    try:
        polygons = list(_polygons(content))
    except (ValueError, TypeError, AttributeError, LookupError, RecursionError) as error:
        raise DataContractError(_no_polygons(path, f"no GeoJSON ({error})")) from None
    if not polygons:
        raise DataContractError(_no_polygons(path, "no polygon"))
    return polygons


def _placed(
    blocks: Iterable[Measured],
) -> Iterator[tuple[int, Measured]]:
    """Each block with the number of its first spot."""
    first = 0
    for block in blocks:
        yield first, block
        first += len(next(iter(block.values())))


def _write_block(
    file: TextIO,
    placed: tuple[int, Measured],
    spots: Spots,
    outline: Float[np.ndarray, "corners 2"],
    classes: SpotClasses | None,
) -> int:
    first, block = placed
    n_rows = len(next(iter(block.values())))
    for row in range(n_rows):
        spot = first + row
        feature = _detection(spots.ids[spot], spots.xy[spot] + outline)
        if classes is not None:
            feature["properties"]["classification"] = _classification(classes, spot)
        measured = {name: _rounded(float(values[row])) for name, values in block.items()}
        known = {name: value for name, value in measured.items() if np.isfinite(value)}
        feature["properties"]["measurements"] = known
        file.write(",\n" if spot else "")
        file.write(json.dumps(feature, allow_nan=False))
    return n_rows


def _detection(id_: str, corners: Float[np.ndarray, "corners 2"]) -> dict[str, Any]:
    ring = [[round(float(x), 2), round(float(y), 2)] for x, y in (*corners, corners[0])]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"objectType": "detection", "name": id_},
    }


def _classification(classes: SpotClasses, spot: int) -> dict[str, Any]:
    of = classes.of_spot[spot]
    return {"name": classes.names[of], "color": list(classes.colours[of])}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _polygons(item: Any) -> Iterator[Polygon]:
    if isinstance(item, list):
        for part in item:
            yield from _polygons(part)
        return
    kind = item["type"]
    if kind == "FeatureCollection":
        yield from _polygons(item["features"])
    elif kind == "Feature":
        yield from _polygons(item["geometry"])
    elif kind == "GeometryCollection":
        yield from _polygons(item["geometries"])
    elif kind == "Polygon":
        yield _rings(item["coordinates"])
    elif kind == "MultiPolygon":
        yield from map(_rings, item["coordinates"])


def _rings(coordinates: Any) -> Polygon:
    rings = [[(float(point[0]), float(point[1])) for point in ring] for ring in coordinates]
    if not rings or any(len(ring) < 4 for ring in rings):
        raise ValueError("a polygon with fewer than three corners")
    return rings


def _no_polygons(path: Path, found: str) -> Problem:
    return Problem(
        where=str(path),
        found=found,
        expected=_POLYGONS,
        remedy=_EXPORT,
    )
