"""Predictions as SpatialData: the table, the shapes of spots, and a small image of the slide."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import anndata as ad
import numpy as np
import pandas as pd

from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.io.atomic import replacing_folder
from histoscribe.io.predictions.anndata import to_anndata
from histoscribe.io.slides.resolution import nearest_px
from histoscribe.types import Prediction, Slide, Spots

if TYPE_CHECKING:
    from spatialdata import SpatialData

EXTRA = "spatialdata"
PIXELS = "global"
"""Coordinate system in level-0 px of the slide."""
MICRONS = "um"
"""Coordinate system in um from the upper left corner of the slide."""
_LONGEST_PX = 2048
"""Longest side of the slide's picture: enough for viewing, and 12 MB at most."""


def to_spatialdata(prediction: Prediction) -> "SpatialData":
    """Convert a prediction to SpatialData; needs the extra `spatialdata`.

    Elements are named after the section (characters other than letters, digits, `_`, `-` and `.`
    become `_`): the table `<section>_expression` as made by `to_anndata`; the shapes
    `<section>_spots` that it annotates: squares as polygons, circles with the spots' diameter,
    cells as circles with the typical one; and, if the slide is known, the image `<section>_image`,
    at most 2,048 px a side. All of them lie in `global` (level-0 px, x right, y down) and in `um`.
    Without a slide, um/px follows from the pitch of the spots.

    Raises
    ------
    DataContractError
        The extra is missing; or um/px is unknown: no slide, and no pitch or fewer than two spots.

    Examples
    --------
    >>> import histoscribe as hs
    >>> data = hs.to_spatialdata(hs.predict_slide("ridge", "biopsy.svs"))  # doctest: +SKIP
    >>> data.write("biopsy.zarr")  # doctest: +SKIP
    """
    sd = need("spatialdata", EXTRA, "SpatialData")
    models = need("spatialdata.models", EXTRA, "SpatialData")
    at = need("spatialdata.transformations", EXTRA, "SpatialData")
    slide, mpp = prediction.slide, _mpp(prediction)
    name, spots = element_name(prediction.section), prediction.spots
    shapes = _shapes(
        spots, mpp, {PIXELS: at.Identity(), MICRONS: at.Scale([mpp, mpp], axes=("x", "y"))}
    )
    table = models.TableModel.parse(
        _annotating(prediction, f"{name}_spots"),
        region=f"{name}_spots",
        region_key="region",
        instance_key="spot",
    )
    images = {} if slide is None else {f"{name}_image": _picture(slide)}
    return sd.SpatialData(
        images=images, shapes={f"{name}_spots": shapes}, tables={f"{name}_expression": table}
    )


def write_spatialdata(prediction: Prediction, path: Path) -> None:
    """Write `to_spatialdata` as a zarr folder; equal predictions give equal files, to the byte.

    It is written next to `path` and renamed, so nobody sees a partial folder; an older zarr at
    `path` is replaced, anything else there is an error.
    """
    data = to_spatialdata(prediction)
    # one chunk per file, as every zarr reader expects; anndata requires an explicit choice
    with replacing_folder(path, "zarr.json") as new, ad.settings.override(auto_shard_zarr_v3=False):
        data.write(new)


def _shapes(spots: Spots, mpp: float, transformations: Mapping[str, object]) -> object:
    """Make the shapes element: polygons of squares, else circles."""
    models = need("spatialdata.models", EXTRA, "SpatialData")
    index, width = pd.Index(spots.ids, dtype=object), spots.drawn_um / mpp
    if spots.shape != "squares":
        return models.ShapesModel.parse(
            spots.xy, geometry=0, radius=width / 2, index=index, transformations=transformations
        )  # 0: circles
    corners = spots.xy[:, None] + spots.outline(width)
    n_corners = corners.shape[1]
    return models.ShapesModel.parse(
        corners.reshape(-1, 2),
        geometry=3,  # polygons
        offsets=(np.arange(len(spots) + 1) * n_corners, np.arange(len(spots) + 1)),
        index=index,
        transformations=transformations,
    )


def _mpp(prediction: Prediction) -> float:
    if prediction.slide is not None:
        return prediction.slide.mpp
    pitch_um = prediction.spots.pitch_um
    if pitch_um is None or len(prediction.spots) < 2:
        found = "spots on no lattice" if pitch_um is None else f"{len(prediction.spots)} spots"
        raise DataContractError(
            Problem(
                where=f"section {prediction.section}",
                found=f"{found} and no slide, so the um/px is unknown",
                expected="the slide, or two spots whose distance is the pitch",
                remedy="give the slide",
            )
        )
    return pitch_um / nearest_px(prediction.spots.xy)


def _annotating(prediction: Prediction, shapes: str) -> ad.AnnData:
    """Link each row of the table to its circle."""
    # the images are elements, with their own transformations
    table = to_anndata(replace(prediction, slide=None))
    table.obs.columns = [element_name(column) for column in table.obs.columns]
    table.var.columns = [element_name(column) for column in table.var.columns]
    table.obs["region"] = pd.Categorical([shapes] * table.n_obs, categories=[shapes])
    table.obs["spot"] = np.asarray(prediction.spots.ids, dtype=object)
    return table


def _picture(slide: Slide) -> object:
    """Image element of the slide, scaled to level-0 px by its transformation."""
    models = need("spatialdata.models", EXTRA, "SpatialData")
    at = need("spatialdata.transformations", EXTRA, "SpatialData")
    pixels = slide.overview(slide.mpp * max(1.0, max(slide.width, slide.height) / _LONGEST_PX))
    height, width = pixels.shape[:2]
    to_px = at.Scale([slide.width / width, slide.height / height], axes=("x", "y"))
    to_um = at.Sequence([to_px, at.Scale([slide.mpp, slide.mpp], axes=("x", "y"))])
    return models.Image2DModel.parse(
        np.ascontiguousarray(pixels.transpose(2, 0, 1)),
        dims=("c", "y", "x"),
        c_coords=["r", "g", "b"],
        transformations={PIXELS: to_px, MICRONS: to_um},
    )


def element_name(name: str) -> str:
    """Name that SpatialData accepts: it allows few characters, and no `__` in front.

    >>> element_name("ridge@12ab, slide 1")
    'ridge_12ab__slide_1'
    """
    kept = "".join(sign if sign.isalnum() or sign in "_-." else "_" for sign in name)
    return kept.lstrip("_") or "section"
