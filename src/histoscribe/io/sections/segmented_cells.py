"""Cells of a Visium HD run as Space Ranger 4 segments them: polygons, and counts of each cell."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.files import read_text
from histoscribe.io.sections.gene_ids import counts_of
from histoscribe.io.sections.matrix_chunks import opened_matrix
from histoscribe.io.sections.platform import NO_LATTICE
from histoscribe.io.sections.pooling import NO_POOL, pool_of
from histoscribe.io.sections.run_files import RunFiles
from histoscribe.io.sections.run_image import run_image, run_scale_factors
from histoscribe.io.sections.source import Reading, Source
from histoscribe.io.sections.table import broken
from histoscribe.io.slides.resolution import Resolutions
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.types import Spots

MATRICES = ("filtered_feature_cell_matrix.h5", "filtered_feature_cell_matrix")
_POLYGONS = ("cell_segmentations.geojson", "graphclust_annotated_cell_segmentations.geojson")
_NUMBER = re.compile(r"\d+")


@dataclass(frozen=True)
class SegmentedFiles:
    """Files of the segmented cells of a run."""

    root: Path
    counts: Path
    polygons: Path
    """Of cells; the column `spots` may name those of the nuclei."""


def segmented_files(folder: Path) -> SegmentedFiles | None:
    """Files of a folder `segmented_outputs`, whatever it is called; None for any other folder."""
    counts = next((folder / name for name in MATRICES if (folder / name).exists()), None)
    polygons = next((folder / name for name in _POLYGONS if (folder / name).is_file()), None)
    if counts is None or polygons is None:
        return None
    return SegmentedFiles(folder, counts, polygons)


def read_segmented_cells(source: Source) -> Reading:
    """Read cells: counts from the cell matrix, centres and typical diameter from the polygons.

    Centres are those of the file in the column `spots`, if it names the polygons of the nuclei; the
    counts are those of whole cells. Um/px is `microns_per_pixel` of the scale factors, or as for
    any image.
    """
    files = None if source.path is None else segmented_files(source.path)
    if files is None:
        raise ValueError("a section of segmented cells needs its folder")
    pool_of(source, (NO_POOL,))  # squares are pooled from bins, which lose no molecules
    run = RunFiles(files.root, files.root / "spatial")
    if not run.spatial.is_dir():
        raise broken(files.root, "no folder `spatial`", "the whole folder of segmented cells")
    factors = run_scale_factors(run)
    image = run_image(source, run, factors)
    cells = _cells(source.spots or files.polygons)
    with opened_matrix(source.counts or files.counts, source.facts.get("genome")) as stored:
        where, genome = str(files.counts), source.facts.get("genome")
        counts, notes = counts_of(stored.whole(), stored.features, where, genome)
        ids = tuple(name.decode() for name in stored.barcodes)
        notes = (*stored.notes, *notes)
    rows = _rows(files, cells, ids)
    found = Resolutions(
        user=source.mpp,
        metadata=image_mpp(image.path, source.image_number),
        pitch=None,
        table=factors.mpp and factors.mpp / image.scale,
        reason=NO_LATTICE,
    )
    mpp, origin = found.settle(source.where, source.mpp_from)
    diameter_um = 2 * float(np.sqrt(np.median(cells.area[rows]) / np.pi)) * image.scale * mpp
    return Reading(
        slide=open_slide(image.path, mpp, source.white, source.image_number),
        spots=Spots(ids, cells.xy[rows] * image.scale, diameter_um, None, "cells"),
        in_tissue=np.ones(len(ids), dtype=bool),
        counts=counts,
        count_ids=ids,
        notes=(f"image: {image.what}", origin, f"{len(ids):,} segmented cells", *notes),
        scales=factors.by_image,
    )


@dataclass(frozen=True, eq=False)
class _Cells:
    number: tuple[int, ...]
    xy: Float[np.ndarray, "N 2"]
    """Centres in px of the full-resolution image."""
    area: Float[np.ndarray, " N"]
    """In px²."""


def _cells(path: Path) -> _Cells:
    """Number, centre and area of each polygon; its corners are dropped as the text is read."""
    try:
        content = json.loads(read_text(path, "a GeoJSON file"), object_hook=_without_corners)
        features = content["features"]
        number = tuple(_number(feature) for feature in features)
        shapes = np.array([feature["geometry"] for feature in features], dtype=np.float64)
        xy, area = shapes.reshape(-1, 3)[:, :2], shapes.reshape(-1, 3)[:, 2]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError) as error:
        found = f"no polygons with a cell_id ({type(error).__name__}: {error})"
        raise broken(path, found, "a GeoJSON of Space Ranger's segmentation") from error
    if len(set(number)) != len(number) or not np.isfinite(shapes).all():
        raise broken(path, "cells twice, or no finite corners", "a polygon for each cell")
    return _Cells(number, np.ascontiguousarray(xy), area)


def _without_corners(part: dict[str, Any]) -> Any:
    """Centre and area for a geometry, anything else as it is."""
    if "coordinates" not in part:
        return part
    rings = part["coordinates"] if part["type"] == "MultiPolygon" else [part["coordinates"]]
    shapes = np.array([_centre_and_area(polygon[0]) for polygon in rings])
    area = shapes[:, 2].sum()
    return (*(shapes[:, 2] @ shapes[:, :2] / area), area)


def _centre_and_area(ring: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Centroid and area inside a ring of corners (shoelace formula)."""
    corner = np.array(ring, dtype=np.float64)[:, :2]
    start = corner - corner[0]  # far from the origin, the products would lose digits
    following = np.roll(start, -1, axis=0)
    cross = start[:, 0] * following[:, 1] - following[:, 0] * start[:, 1]
    area = cross.sum() / 2
    centre = corner[0] + ((start + following) * cross[:, None]).sum(axis=0) / (6 * area)
    return float(centre[0]), float(centre[1]), abs(float(area))


def _number(feature: dict[str, Any]) -> int:
    digits = _NUMBER.search(str(feature["properties"]["cell_id"]))
    if digits is None:
        raise ValueError(f"cell_id {feature['properties']['cell_id']!r}")
    return int(digits[0])


def _rows(files: SegmentedFiles, cells: _Cells, ids: tuple[str, ...]) -> np.ndarray:
    """Polygon of each row of the counts (`cellid_000000001-1`)."""
    row_of = {number: row for row, number in enumerate(cells.number)}
    digits = [_NUMBER.search(name) for name in ids]
    rows = np.array([row_of.get(int(d[0]), -1) if d else -1 for d in digits], dtype=np.int64)
    if (lost := np.flatnonzero(rows < 0)).size:
        raise DataContractError(
            Problem(
                where=str(files.root),
                found=f"{len(lost)} of {len(ids)} cells have counts and no polygon, e.g. "
                f"{ids[lost[0]]}",
                expected="a polygon for every cell of the count matrix",
                remedy="give counts and polygons of the same run",
            )
        )
    return rows
