"""Cells of Xenium in a SpatialData folder, as spatialdata-io writes it.

The table annotates circles, outlines or a label image of the cells, by the version of the software.
In all of them it has the centres in um, and columns that no other instrument writes; circles and
outlines are in um, too, and the system `global` is in px of the morphology image.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from histoscribe.errors import DataContractError, Problem
from histoscribe.io.sections.alignment import no_alignment
from histoscribe.io.sections.anndata_section import section_in
from histoscribe.io.sections.count_layers import raw_counts_of
from histoscribe.io.sections.source import Reading, Source
from histoscribe.io.sections.spatialdata_store import image_name, is_within, pick
from histoscribe.io.sections.spatialdata_systems import PIXELS, between, systems, unconnected
from histoscribe.io.sections.table import broken
from histoscribe.io.sections.xenium_files import XeniumCells, typical_diameter_um
from histoscribe.io.sections.xenium_image import is_aligned, placed_image
from histoscribe.io.sections.xenium_spots import spots_of_cells
from histoscribe.io.slides.region import MaskedSlide, RegionSlide
from histoscribe.io.slides.resolution import Resolutions, uneven
from histoscribe.io.slides.slide import open_slide
from histoscribe.io.slides.zarr_slide import ZarrSlide, open_zarr_image
from histoscribe.types import Slide

if TYPE_CHECKING:
    from anndata import AnnData
    from jaxtyping import Float
    from spatialdata import SpatialData

_COLUMNS = frozenset({"transcript_counts", "control_probe_counts", "cell_area"})
_SHAPES = ("cell_circles", "cell_boundaries", "nucleus_boundaries")
"""Elements in the um of the data, the surest first."""
_SLACK_UM = 50.0
"""Largest distance of a centre from the outlines of all cells: some cells may have none."""


@dataclass(frozen=True, eq=False)
class _Placed:
    """The H&E image, and the map from um to its px."""

    slide: Slide
    to_px: "Float[np.ndarray, '2 3']"
    notes: tuple[str, ...]


def xenium_tables(store: "SpatialData") -> list[str]:
    """Names of the tables with cells of Xenium, known by their columns."""
    return [
        name
        for name, table in store.tables.items()
        if "spatial" in table.obsm and set(table.obs.columns) >= _COLUMNS
    ]


def read_xenium_store(source: Source, path: Path, store: "SpatialData") -> Reading:
    """Read cells, counts and H&E image; the columns of the manifest are those of kind `xenium`.

    An image in the folder is placed by its own transformation, one outside by its alignment.
    """
    name = pick(path, "tables", xenium_tables(store), source.counts)
    place = path / "tables" / name
    section = section_in(place, store.tables[name], source.library)
    cells = _cells(place, section.data)
    shapes = _shapes(path, store)
    of_um = systems(store.shapes[shapes])
    _check_frame(f"{path}, {shapes}", store.shapes[shapes], cells)
    counts, notes = raw_counts_of(place, section.data, source.facts.get("genome"), source.layer)
    image = _placed(source, path, store, (shapes, of_um))
    measured = spots_of_cells(source, cells, counts, image.to_px)
    return Reading(
        slide=image.slide,
        spots=measured.spots,
        in_tissue=np.ones(len(measured.spots), dtype=bool),
        counts=measured.counts,
        count_ids=measured.spots.ids,
        notes=(
            f"cells of Xenium: table {name}, centres in the um of {shapes}",
            *(*section.notes, *image.notes, *measured.notes, *notes),
        ),
    )


def _cells(place: Path, table: "AnnData") -> XeniumCells:
    um = np.array(table.obsm["spatial"], dtype=np.float64)
    if um.shape != (table.n_obs, 2) or not np.isfinite(um).all():
        raise broken(
            place, f"obsm[spatial] of {um.shape}, or not finite", "the centre of each cell"
        )
    area = table.obs["cell_area"].to_numpy(np.float64)
    return XeniumCells(tuple(table.obs_names.astype(str)), um, typical_diameter_um(area))


def _shapes(path: Path, store: "SpatialData") -> str:
    """Element whose coordinates are the um of the data."""
    there = [name for name in _SHAPES if name in store.shapes and len(store.shapes[name])]
    if there:
        return there[0]
    raise DataContractError(
        Problem(
            where=str(path),
            found="cells of Xenium without outlines: nothing says where their um lie on the image",
            expected=f"one of the shapes {', '.join(_SHAPES)}",
            remedy="write the folder anew with outlines of cells, or read the output folder of the "
            "instrument (kind xenium)",
        )
    )


def _check_frame(where: str, shapes: Any, cells: XeniumCells) -> None:
    """Refuse centres that are not in the coordinates of the shapes, e.g. in px."""
    left, top, right, bottom = shapes.total_bounds
    first, last = cells.um.min(axis=0), cells.um.max(axis=0)
    apart = np.maximum((left, top) - first, last - (right, bottom)).max()
    if apart > _SLACK_UM:
        raise DataContractError(
            Problem(
                where=where,
                found=f"centres of cells up to {apart:,.0f} um away from all outlines",
                expected="obsm[spatial] of the table in um, as the outlines",
                remedy="write the folder anew from the output folder of the instrument",
            )
        )


def _placed(
    source: Source,
    path: Path,
    store: "SpatialData",
    frame: tuple[str, dict[str, "Float[np.ndarray, '3 3']"]],
) -> _Placed:
    """The named image outside the folder, else the one in it that shares a system."""
    shapes, of_um = frame
    if source.image is not None and not is_within(path, source.image):
        if PIXELS not in of_um:
            raise DataContractError(unconnected(f"{path}, {shapes}", [PIXELS]))
        pixel_um = 1 / _scale(f"{path}, {shapes}", of_um[PIXELS])
        image = placed_image(source, source.image, (source.image.parent, path.parent), pixel_um)
        slide = open_slide(source.image, image.mpp, source.white, source.image_number)
        said = (f"image: {source.image.name}", image.alignment.what, image.origin)
        return _Placed(slide, image.alignment.to_px, said)
    name = image_name(path, store, shapes, source.image)
    where = f"{path}, {shapes} and {name}"
    of_image = systems(store.images[name])
    if source.alignment is not None:
        raise DataContractError(_placed_already(where, source.alignment.name))
    if np.allclose(of_image.get(PIXELS, 0.0), np.eye(3)) and not is_aligned(source):
        raise DataContractError(no_alignment(where, ()))
    to_px = between(where, of_um, of_image)
    stated_mpp = 1 / _scale(where, to_px)
    mpp, origin = Resolutions(source.mpp, None, None, alignment=stated_mpp).settle(
        source.where, source.mpp_from
    )
    zarr_slide: RegionSlide = ZarrSlide(open_zarr_image(path / "images" / name), mpp)
    slide = MaskedSlide(zarr_slide, source.white) if source.white else zarr_slide
    return _Placed(slide, np.ascontiguousarray(to_px[:2]), (f"image: {name}", origin))


def _placed_already(where: str, alignment: str) -> Problem:
    return Problem(
        where=where,
        found=f"an image in the folder, and the alignment {alignment}",
        expected="an image that the folder places, or one outside it with its alignment",
        remedy="empty the column `alignment`, or name the image file in the column `image`",
    )


def _scale(where: str, to_px: "Float[np.ndarray, '3 3']") -> float:
    """Px per um; raises DataContractError for px that are not square."""
    long, short = np.linalg.svd(to_px[:2, :2], compute_uv=False).tolist()
    if short <= 0 or long > 1.05 * short:
        raise DataContractError(uneven(where, 1 / long, 1 / max(short, 1e-9)))
    return float(np.sqrt(long * short))
