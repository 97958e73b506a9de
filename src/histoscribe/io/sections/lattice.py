"""Lattice on which spots lie, found from array positions or from neighbouring centres."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float
from scipy.spatial import cKDTree

from histoscribe.io.slides.resolution import lattice_steps, nearest_px, on_lattice

_RATIO = 0.05
"""Largest relative error of a ratio of steps: 1 and sqrt(3) are far apart."""
_ANGLE = 0.05
"""Largest cosine between the steps of row and column: 3 degrees from the right angle."""
_RESIDUAL = 0.25
"""Largest distance of a centre from its place of the fitted lattice, in pitches."""
_SHARE = 0.8
"""Least share of the spots that must lie that close to the fitted lattice."""
_SIXFOLD, _FOURFOLD = 0.9, 0.5
"""Least mean of exp(6i angle), or exp(4i angle), of neighbours on a hexagonal or square lattice.

The hexagonal one is a proof and strict; nudged spots of ST arrays (her2st) are square at 0.6.
"""
_FEWEST = 7
"""Fewest spots with which places alone can be hexagonal: one and its neighbours."""


@dataclass(frozen=True)
class Lattice:
    """Regular arrangement of the centres of a section."""

    kind: Literal["hexagonal", "square", "other"]
    pitch_px: float
    """Distance between neighbouring centres."""
    is_staggered: bool
    """Whether rows and columns of the array sum to an even number at every spot, or an odd one."""
    from_array: bool
    """Whether it was fitted to rows and columns, and not found among places alone."""
    is_even: bool = False
    """Whether the sums are even, as Visium has them."""


def lattice_of(
    xy: Float[np.ndarray, "N 2"], array: Float[np.ndarray, "N 2"] | None
) -> Lattice | None:
    """Find the lattice of the centres `xy` (px); None where they lie on none.

    With `array` (row and column of each spot) the steps in px are fitted over all spots, so that a
    section that lost spots keeps its pitch. Spots that do not lie where the array says, such as one
    past the edge of the image, are left out of the fit if they are few. Without rows and columns
    that fit, the nearest neighbours decide.
    """
    fitted = None if array is None else _fitted(array, xy)
    if fitted is not None or len(xy) < 2 or not on_lattice(xy):
        return fitted
    return Lattice(_kind_of_places(xy), nearest_px(xy), is_staggered=False, from_array=False)


def _fitted(array: Float[np.ndarray, "N 2"], xy: Float[np.ndarray, "N 2"]) -> Lattice | None:
    """Lattice of an array of whole numbers whose rows and columns explain the places."""
    if not np.array_equal(array, np.rint(array)) or np.linalg.matrix_rank(_centred(array)) < 2:
        return None
    steps = lattice_steps(array, xy)
    near = _near(array, xy, steps)
    if not near.all():
        steps, near = _trimmed(array, xy)
    if near.mean() < _SHARE or np.linalg.matrix_rank(_centred(array[near])) < 2:
        return None
    parity = set(array.sum(axis=1) % 2)
    is_staggered = len(parity) == 1
    lattice = _of_steps(steps, is_staggered=is_staggered)
    if is_staggered and lattice.kind != "hexagonal" and len(set(array[:, 0] % 2)) == 1:
        lattice = _of_steps(2 * steps, is_staggered=False)  # each second row and column
    return replace(lattice, is_even=parity == {0.0})


def _trimmed(
    array: Float[np.ndarray, "N 2"], xy: Float[np.ndarray, "N 2"]
) -> tuple[Float[np.ndarray, "2 2"], Bool[np.ndarray, " N"]]:
    """Steps fitted to the spots that agree, found by leaving out the worst ones again and again."""
    kept = np.ones(len(xy), dtype=bool)
    steps = lattice_steps(array, xy)
    for _ in range(20):
        residual = _residual_px(array, xy, steps, kept)
        kept = residual <= np.quantile(residual, _SHARE)
        if np.linalg.matrix_rank(_centred(array[kept])) < 2:
            break
        steps = lattice_steps(array[kept], xy[kept])
    near = _residual_px(array, xy, steps, kept) < _RESIDUAL * _shortest(steps)
    if near.sum() > 2:
        steps = lattice_steps(array[near], xy[near])
    return steps, near


def _residual_px(
    array: Float[np.ndarray, "N 2"],
    xy: Float[np.ndarray, "N 2"],
    steps: Float[np.ndarray, "2 2"],
    kept: Bool[np.ndarray, " N"],
) -> Float[np.ndarray, " N"]:
    """Distance of each centre from its place, with the origin of the spots kept."""
    apart = xy - array @ steps
    return np.linalg.norm(apart - apart[kept].mean(axis=0), axis=1)


def _near(
    array: Float[np.ndarray, "N 2"], xy: Float[np.ndarray, "N 2"], steps: Float[np.ndarray, "2 2"]
) -> Bool[np.ndarray, " N"]:
    residual = _residual_px(array, xy, steps, np.ones(len(xy), dtype=bool))
    return residual < _RESIDUAL * _shortest(steps)


def _shortest(steps: Float[np.ndarray, "2 2"]) -> float:
    return float(np.linalg.norm(steps, axis=1).min())


def _centred(array: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
    return array - array.mean(axis=0) if len(array) else np.zeros((1, 2))


def _of_steps(steps: Float[np.ndarray, "2 2"], *, is_staggered: bool) -> Lattice:
    """Lattice of the steps of a row and of a column, in px; either may be the longer one."""
    short, long = sorted(float(length) for length in np.linalg.norm(steps, axis=1))
    is_upright = short > 0 and abs(steps[0] @ steps[1]) < _ANGLE * short * long
    is_even = is_upright and long < (1 + _RATIO) * short
    if is_staggered and is_upright and abs(long / short / np.sqrt(3) - 1) < _RATIO:
        # two columns, or a row and a column, from spot to spot
        pitch = float(np.mean([2 * short, 2 * long / np.sqrt(3)]))
        return Lattice("hexagonal", pitch, is_staggered, from_array=True)
    if is_staggered:
        diagonal = np.linalg.norm([steps[0] + steps[1], steps[0] - steps[1]], axis=1)
        nearest = min(float(diagonal.min()), 2 * short)
        pitch = float(diagonal.mean()) if is_even else nearest
        return Lattice("square" if is_even else "other", pitch, is_staggered, from_array=True)
    pitch = (short + long) / 2 if is_even else short
    return Lattice("square" if is_even else "other", pitch, is_staggered, from_array=True)


def _kind_of_places(xy: Float[np.ndarray, "N 2"]) -> Literal["hexagonal", "square", "other"]:
    """Kind of lattice by the directions from each spot to its neighbours at one pitch."""
    n_neighbours = min(6, len(xy) - 1)
    distance, index = cKDTree(xy).query(xy, k=n_neighbours + 1)
    near = distance[:, 1:] < 1.2 * np.median(distance[:, 1])  # a square's diagonal is 1.41
    spot, place = np.nonzero(near)
    x, y = (xy[index[spot, place + 1]] - xy[spot]).T
    angle = np.arctan2(y, x)
    if len(xy) >= _FEWEST and abs(np.exp(6j * angle).mean()) > _SIXFOLD:
        return "hexagonal"
    return "square" if abs(np.exp(4j * angle).mean()) > _FOURFOLD else "other"
