"""A mask as a reference: the area of each spot that lies inside of it."""

from pathlib import Path

import numpy as np

from histoscribe.explain.where.against.landmarks import Affine, Alignment
from histoscribe.explain.where.against.reference import MapReference
from histoscribe.explain.where.against.spot_areas import share_inside
from histoscribe.io.predictions.geojson import Polygon, read_polygons
from histoscribe.io.slides.mask import draw_polygons, read_mask, read_mask_image
from histoscribe.types import Section


def mask_reference(
    path: Path, section: Section, alignment: Alignment | None = None
) -> MapReference:
    """Share of each spot's area inside a mask; spots with more than half count as inside.

    Parameters
    ----------
    path
        GeoJSON polygons in level-0 px, or a picture that is not zero inside. Without `alignment`
        both are of the section's slide, a picture at any scale.
    alignment
        Leads to the slide that the mask was drawn on; the px of a picture are then those of the
        landmarks.

    Raises
    ------
    DataContractError
        for GeoJSON without polygons, what is neither, and, without `alignment`, a picture of other
        proportions than the slide.
    """
    slide = section.slide
    if alignment is not None and path.suffix.lower() not in (".geojson", ".json"):
        inside, to_mask = read_mask_image(path), alignment.affine
    else:
        if alignment is None:
            inside = read_mask(path, slide)
        else:
            back = alignment.affine.inverse
            inside = draw_polygons([_moved(rings, back) for rings in read_polygons(path)], slide)
        height, width = inside.shape
        to_mask = Affine.scaling(width / slide.width, height / slide.height)
    share = share_inside(section.spots, slide.mpp, inside, to_mask)
    present = np.isfinite(share)
    words = f"the share of each spot inside {path.name}"
    return MapReference(
        name="mask",
        words=words,
        value=share,
        positive=present & (share > 0.5),
        positive_words=f"the spots with more than half of their area inside {path.name}",
        present=present,
        notes=() if alignment is None else alignment.notes,
        numbers=() if alignment is None else alignment.numbers,
    )


def _moved(polygon: Polygon, affine: Affine) -> Polygon:
    return [
        [(float(x), float(y)) for x, y in affine(np.array(ring, dtype=np.float64))]
        for ring in polygon
    ]
