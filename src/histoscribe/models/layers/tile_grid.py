"""The grid that tiles of one slide lie on, found from their positions."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial import cKDTree

from histoscribe.errors import DataContractError, Problem

_NEAR = 1.25  # a neighbour is at most this far, in distances to the nearest tile
_NEIGHBOURS = 6  # on a hexagonal grid; on a square one there are four
_REFINED = 3  # times that the pitch is fitted to the cells that it gave


def grid_cells(um: Float[np.ndarray, "n 2"]) -> Int[np.ndarray, "n 2"]:
    """Row and column of each tile, from 0, found from positions.

    The cell size of each axis comes from the distances between neighbours, and slides may be
    tilted. On a hexagonal grid (Visium) neighbours of the same row are two columns apart, so every
    second cell is empty. No tissue is an empty cell, too.

    Raises
    ------
    DataContractError
        if two tiles fall into one cell, because they do not lie on a grid.
    """
    if len(um) == 1:
        return np.zeros((1, 2), dtype=np.int64)
    steps = _steps(um)
    turn = _rotation(-_tilt(steps))
    upright, steps = um @ turn.T, steps @ turn.T
    shortest = np.median(np.hypot(*steps.T)) / 4  # less is no step along an axis, but noise
    columns, rows = (_line_numbers(upright[:, axis], steps[:, axis], shortest) for axis in (0, 1))
    cells = np.stack([rows, columns], axis=1)
    _check_one_tile_a_cell(cells, um)
    return cells


def z_order(cells: Int[np.ndarray, "n 2"]) -> Int[np.ndarray, " n"]:
    """Order of tiles along a curve that keeps neighbours in both directions close (Morton)."""
    code = np.zeros(len(cells), dtype=np.int64)
    for bit in range(int(cells.max(initial=0)).bit_length()):
        for axis in (0, 1):
            code |= ((cells[:, axis] >> bit) & 1) << (2 * bit + 1 - axis)
    return np.argsort(code, kind="stable")


def _steps(um: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "m 2"]:
    """Vectors from each tile to its neighbours."""
    distance, neighbour = cKDTree(um).query(um, k=min(_NEIGHBOURS + 1, len(um)))
    apart = distance[:, 1:]
    nearest = apart[:, 0][apart[:, 0] > 0]
    if not len(nearest):
        return np.ones((1, 2))  # all tiles in one place, which the check of cells reports
    near = (apart > 0) & (apart <= _NEAR * np.median(nearest))
    tile, place = np.nonzero(near)
    return um[neighbour[:, 1:][tile, place]] - um[tile]


def _tilt(steps: Float[np.ndarray, "m 2"]) -> float:
    """Angle of the grid against the axes; at most 45 degrees of a square grid, 15 of a hexagonal.

    Steps of a square grid repeat after a quarter of a turn, those of a hexagonal one after a sixth.
    """
    direction = np.arctan2(steps[:, 1], steps[:, 0])
    square, hexagonal = (np.exp(1j * n * direction).mean() for n in (4, 6))
    if abs(hexagonal) <= abs(square) + 0.1:  # of a single row, both are the same
        return float(np.angle(square)) / 4
    tilt = float(np.angle(hexagonal)) / 6
    # rows along the other axis stay so: they are a twelfth of a turn away
    return tilt if abs(tilt) <= np.pi / 12 else tilt - np.copysign(np.pi / 6, tilt)


def _rotation(angle: float) -> Float[np.ndarray, "2 2"]:
    sine, cosine = np.sin(angle), np.cos(angle)
    return np.array([[cosine, -sine], [sine, cosine]])


def _line_numbers(
    place: Float[np.ndarray, " n"], step: Float[np.ndarray, " m"], shortest: float
) -> Int[np.ndarray, " n"]:
    """Number of the line of each tile along one axis, from 0."""
    size = np.abs(step)[np.abs(step) > shortest]
    if not len(size):  # one line of tiles
        return np.zeros(len(place), dtype=np.int64)
    pitch = np.median(size[size <= 1.5 * np.quantile(size, 0.1)])
    origin = place[np.argmin(np.abs(place - place.mean()))]
    for _ in range(_REFINED):
        number = np.rint((place - origin) / pitch)
        if np.ptp(number) == 0:
            break
        pitch, origin = np.polyfit(number, place, 1)
    number = np.rint((place - origin) / pitch).astype(np.int64)
    return number - number.min()


def _check_one_tile_a_cell(cells: Int[np.ndarray, "n 2"], um: Float[np.ndarray, "n 2"]) -> None:
    _, cell, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    crowded = np.flatnonzero(count > 1)
    if not len(crowded):
        return
    first, second = um[np.flatnonzero(cell.ravel() == crowded[0])[:2]]
    raise DataContractError(
        Problem(
            where=f"positions of {len(um)} tiles",
            found=f"two tiles in one cell of their grid: {_text(first)} and {_text(second)} um "
            f"from the centroid, and {len(crowded) - 1} other such cells",
            expected="tiles on a square or hexagonal grid, one a cell",
            remedy="use spots or tiles of one regular grid, or a model that reads no positions",
        )
    )


def _text(place: Float[np.ndarray, " 2"]) -> str:
    return f"({place[0]:.0f}, {place[1]:.0f})"
