"""Coordinate systems of a SpatialData folder: from one element to the px of another."""

from typing import Any

import numpy as np
from jaxtyping import Float

from histoscribe.errors import DataContractError, Problem
from histoscribe.extras import need
from histoscribe.io.slides.resolution import uneven

PIXELS = "global"
"""Coordinate system of the px of an image, by the writers of SpatialData."""
_MICRONS = ("um", "µm", "μm", "micron", "microns", "micrometer", "micrometers")
"""Names of coordinate systems in um."""
Matrix = Float[np.ndarray, "3 3"]
"""Map of x, y, 1 in px or um."""


def systems(element: Any) -> dict[str, Matrix]:
    """Matrix from an element's coordinates (px of an image) to each coordinate system."""
    transformations = need("spatialdata.transformations", "spatialdata", "SpatialData")
    found = transformations.get_transformation(element, get_all=True)
    return {
        name: np.asarray(one.to_affine_matrix(("x", "y"), ("x", "y")), dtype=np.float64)
        for name, one in found.items()
    }


def between(where: str, of_spots: dict[str, Matrix], of_image: dict[str, Matrix]) -> Matrix:
    """Map circles to px of the image through every shared system; all of them must agree."""
    shared = sorted(set(of_spots) & set(of_image), key=lambda name: (name != PIXELS, name))
    if not shared:
        raise DataContractError(unconnected(where, sorted(of_image)))
    maps = [np.linalg.inv(of_image[name]) @ of_spots[name] for name in shared]
    # elements far from the corner magnify a difference in scale: 1 px in 10,000 counts as agreement
    apart = [name for name, one in zip(shared, maps, strict=True) if not _agree(maps[0], one)]
    if apart:
        raise DataContractError(
            Problem(
                where=where,
                found=f"the spots have another position on the image in {', '.join(apart)} than "
                f"in {shared[0]}",
                expected="one position on the image for each spot",
                remedy="remove the wrong coordinate system from the image",
            )
        )
    return maps[0]


def _agree(one: Matrix, other: Matrix) -> bool:
    corner = np.array([10_000.0, 10_000.0, 1.0])
    scale = np.linalg.norm(one[:2, 0])
    return bool(np.abs((one - other) @ corner).max() <= max(scale, 1.0))


def stated_mpp(where: str, of_image: dict[str, Matrix]) -> float | None:
    """Um/px from a coordinate system in um; px that are not square are refused."""
    name = next((name for name in _MICRONS if name in of_image), None)
    if name is None:
        return None
    x, y = (float(side) for side in np.linalg.norm(of_image[name][:2, :2], axis=0))
    if abs(x - y) > 0.05 * min(x, y):
        raise DataContractError(uneven(where, x, y))
    return float(np.sqrt(x * y))


def unconnected(where: str, names: list[str]) -> Problem:
    """Problem of an image that shares no system with the spots; `names` are its own."""
    return Problem(
        where=where,
        found=f"no coordinate system that the spots share with the image ({', '.join(names)})",
        expected="a transformation of both into one coordinate system",
        remedy="set it with spatialdata.transformations.set_transformation and write it again",
    )
