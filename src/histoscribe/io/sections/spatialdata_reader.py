"""Sections from SpatialData: circles, a table of counts that annotates them, and an image."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.anndata_bins import bins_in, read_bins
from histoscribe.io.sections.anndata_section import array_of, check_stored, section_in
from histoscribe.io.sections.count_layers import raw_counts_of
from histoscribe.io.sections.h5ad import in_tissue_of
from histoscribe.io.sections.platform import SpotEvidence, platform_of
from histoscribe.io.sections.pooled_places import pooled_places
from histoscribe.io.sections.scale_factors import ScaleFactors
from histoscribe.io.sections.section_image import SectionImage
from histoscribe.io.sections.source import Reader, Reading, Source
from histoscribe.io.sections.spatialdata_store import image_name, is_within, open_store, pick
from histoscribe.io.sections.spatialdata_systems import (
    PIXELS,
    Matrix,
    between,
    stated_mpp,
    systems,
    unconnected,
)
from histoscribe.io.sections.xenium_store import read_xenium_store, xenium_tables
from histoscribe.io.slides.region import MaskedSlide, RegionSlide
from histoscribe.io.slides.slide import image_mpp, open_slide
from histoscribe.io.slides.zarr_slide import ZarrSlide, open_zarr_image

if TYPE_CHECKING:
    from anndata import AnnData
    from spatialdata import SpatialData

_SQUARE = 0.05
"""Largest relative error of a square: its side against the others, and against all squares."""


def read_spatialdata(source: Source) -> Reading:
    """Read circles as spots, the table that annotates them as counts, and an image.

    Elements are chosen by the columns `image`, `spots` and `counts` of the manifest, as paths
    inside the folder; no choice is needed where only one fits. An `image` outside the folder is
    assumed to define the px of the system `global`. Um/px: the user's, that of a coordinate system
    named `um`, and for Visium, proven by its array and lattice, 100 um between spots. Circles
    without a row in the table are left out.
    """
    path = source.path
    if path is None:
        raise ValueError("a section of kind spatialdata needs a path")
    store = open_store(path)
    for name, table in store.tables.items():
        check_stored(path / "tables" / name, table)  # taking rows of a damaged matrix ends Python
    of_xenium = xenium_tables(store)
    if of_xenium and (source.counts is None or source.counts.name in of_xenium):
        return read_xenium_store(source, path, store)
    chosen = _choose(source, path, store)
    rows, xy, radius_px = _spots(path, store, chosen)
    place = path / "tables" / chosen.table
    section = section_in(place, store.tables[chosen.table][rows], source.library)
    table, xy = section.data, xy[section.rows]
    if bins := bins_in(place, section, xy, (chosen.shapes, chosen.table)):
        section = replace(section, factors=ScaleFactors())  # of px of another image
        return read_bins(source, section, bins, in_tissue_of(place, table), _image(source, chosen))
    array = array_of(place, table.obs)
    counts, notes = raw_counts_of(place, table, source.facts.get("genome"), source.layer)
    where = f"{path}, {chosen.shapes}"
    evidence = SpotEvidence(where=where, xy=xy, array=array, diameter_px=2 * radius_px)
    platform = platform_of(evidence)
    mpp, origin = platform.resolution(source, chosen.mpp)
    platform = platform.of_size(source.number("diameter_um"), mpp)
    spots, assumed = platform.spots(section.ids, xy, mpp)
    reading = Reading(
        slide=_slide(source, chosen, mpp),
        spots=spots,
        in_tissue=in_tissue_of(place, table),
        counts=counts,
        count_ids=section.ids,
        notes=(*section.notes, chosen.what, origin, *assumed, *notes),
        array=array,
        scales=section.factors.by_image,
    )
    return pooled_places(source, reading)


SPATIALDATA = Reader(
    "spatialdata", "SpatialData zarr with spots", ("path",), read_spatialdata, pools=True
)


@dataclass(frozen=True, eq=False)
class _Chosen:
    """Chosen elements of one section, by name, and the map from circles to the image."""

    table: str
    shapes: str
    image: Path
    """The element's folder, or an image outside the SpatialData folder."""
    is_element: bool
    to_px: Matrix
    """Map from the circles' coordinates to px of the image."""
    mpp: float | None
    """Um/px stated by a coordinate system or by the image outside."""

    @property
    def what(self) -> str:
        """Description of the choice, for a note."""
        outside = "" if self.is_element else ", taken as the image whose px are `global`"
        return (
            f"image: {self.image.name}{outside}; spots: {self.shapes}; table of counts: "
            f"{self.table}"
        )


def _choose(source: Source, path: Path, store: "SpatialData") -> _Chosen:
    """Choose table, circles and image, in this order: each limits the next."""
    circles = [
        name
        for name, shapes in store.shapes.items()
        if _are_circles(shapes) or _are_squares(shapes)
    ]
    annotated = {name: _regions(table) for name, table in store.tables.items()}
    fit = [name for name, regions in annotated.items() if set(regions) & set(circles)]
    table = pick(path, "tables", fit, source.counts)
    shapes = pick(
        path, "shapes", [name for name in circles if name in annotated[table]], source.spots
    )
    of_spots = systems(store.shapes[shapes])
    if source.image is not None and not is_within(path, source.image):
        if PIXELS not in of_spots:
            where = f"{path}, {shapes} and {source.image.name}"
            raise DataContractError(unconnected(where, [PIXELS]))
        return _Chosen(
            table=table,
            shapes=shapes,
            image=source.image,
            is_element=False,
            to_px=of_spots[PIXELS],
            mpp=image_mpp(source.image, source.image_number),
        )
    image = image_name(path, store, shapes, source.image)
    of_image = systems(store.images[image])
    return _Chosen(
        table=table,
        shapes=shapes,
        image=path / "images" / image,
        is_element=True,
        to_px=between(f"{path}, {shapes} and {image}", of_spots, of_image),
        mpp=stated_mpp(f"{path}, {image}", of_image),
    )


def _are_circles(shapes: Any) -> bool:
    return (
        "radius" in shapes.columns and len(shapes) > 0 and bool((shapes.geom_type == "Point").all())
    )


def _are_squares(shapes: Any) -> bool:
    """Whether all shapes are squares of one size, as bins are."""
    if len(shapes) == 0 or not (shapes.geom_type == "Polygon").all():
        return False
    area, around = shapes.area.to_numpy(), shapes.length.to_numpy()
    is_square = np.abs(around**2 / np.maximum(16 * area, 1e-12) - 1) < _SQUARE
    return bool(is_square.all() and area.max() < (1 + 2 * _SQUARE) * area.min())


def _regions(table: "AnnData") -> tuple[str, ...]:
    """Names of the elements that a table annotates; empty where it annotates nothing."""
    if "spatialdata_attrs" not in table.uns:
        return ()
    region = table.uns["spatialdata_attrs"]["region"]
    return (region,) if isinstance(region, str) else tuple(map(str, region))


def _spots(
    path: Path, store: "SpatialData", chosen: _Chosen
) -> tuple[np.ndarray, Float[np.ndarray, "N 2"], float]:
    """Rows of the table that have a circle, their centres and median radius in px of the image."""
    table, circles = store.tables[chosen.table], store.shapes[chosen.shapes]
    keys = table.uns["spatialdata_attrs"]
    of_region = (table.obs[keys["region_key"]].astype(str) == chosen.shapes).to_numpy()
    circle_ids = pd.Index(circles.index.astype(str))
    problems = [
        what
        for what, is_so in {
            "circles share an id": not circle_ids.is_unique,
            "spot names repeat": not table.obs_names[of_region].is_unique,
        }.items()
        if is_so
    ]
    instance = table.obs[keys["instance_key"]].astype(str)
    found = circle_ids.get_indexer(instance) if circle_ids.is_unique else np.zeros(len(instance))
    rows = np.flatnonzero(of_region & (found >= 0))
    circle = found[rows].astype(int)
    centre = circles.geometry.centroid  # that of a point is itself
    own = np.column_stack([centre.x, centre.y, np.ones(len(circles))])[circle]
    xy = np.ascontiguousarray((own @ chosen.to_px.T)[:, :2])
    if len(rows) < 2 or not np.isfinite(xy).all():
        problems.append(f"{len(rows)} rows of the table with a circle at a finite position")
    if problems:
        raise DataContractError(
            Problem(
                where=f"{path}, {chosen.shapes} and {chosen.table}",
                found="; ".join(problems),
                expected="at least two spots, each circle and each row of the table once",
                remedy="write shapes and table anew, with one instance a spot",
            )
        )
    scale = np.sqrt(abs(np.linalg.det(chosen.to_px[:2, :2])))
    radius = np.sqrt(circles.area) / 2 if _are_squares(circles) else circles["radius"]
    return rows, xy, float(np.median(radius.to_numpy(np.float64)[circle]) * scale)


def _image(source: Source, chosen: _Chosen) -> SectionImage:
    """Image element, or the image outside the folder, for places in its px."""
    return SectionImage(chosen.mpp, 1.0, lambda mpp: _slide(source, chosen, mpp), (chosen.what,))


def _slide(source: Source, chosen: _Chosen, mpp: float) -> RegionSlide:
    if not chosen.is_element:
        return open_slide(chosen.image, mpp, source.white, source.image_number)
    slide = ZarrSlide(open_zarr_image(chosen.image), mpp)
    return MaskedSlide(slide, source.white) if source.white else slide
