"""The grid of tiles follows from their positions, however the slide lies."""

import numpy as np
import pytest

from histoscribe.errors import DataContractError
from histoscribe.models.layers.tile_grid import grid_cells, z_order


def lattice(kind, side=20, pitch_um=100.0):
    """Positions and cells of a grid from which 30 % of the tiles are missing."""
    row, column = np.divmod(np.arange(side**2), side)
    if kind == "hexagonal":
        column = 2 * column + row % 2
        um = np.stack([column * pitch_um / 2, row * pitch_um * np.sqrt(0.75)], axis=1)
    else:
        um = pitch_um * np.stack([column, row], axis=1)
    rng = np.random.default_rng(0)
    kept = np.sort(rng.permutation(side**2)[: int(0.7 * side**2)])
    cells = np.stack([row, column], axis=1)[kept]
    return um[kept] - um[kept].mean(axis=0), cells - cells.min(axis=0)


def tilted(um, degrees):
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return um @ turn.T


@pytest.mark.parametrize("kind", ["square", "hexagonal"])
@pytest.mark.parametrize("degrees", [0.0, 0.5, -3.0, 10.0])
@pytest.mark.parametrize("noise_um", [0.0, 4.0])
def test_cells_are_those_of_the_grid(kind, degrees, noise_um):
    um, cells = lattice(kind)
    um = tilted(um, degrees) + noise_um * np.random.default_rng(1).normal(size=um.shape)
    np.testing.assert_array_equal(grid_cells(um), cells)


def test_rows_along_the_other_axis_stay_there():
    um, cells = lattice("hexagonal")
    np.testing.assert_array_equal(grid_cells(um[:, ::-1]), cells[:, ::-1])


def test_moving_the_centre_and_mixing_the_order_change_nothing():
    um, cells = lattice("square")
    order = np.random.default_rng(2).permutation(len(um))
    np.testing.assert_array_equal(grid_cells(um[order] + [1e5, -3e4]), cells[order])


@pytest.mark.parametrize("step", [(100.0, 0.0), (0.0, 100.0)])
def test_a_line_of_tiles_is_one_row_or_column(step):
    cells = grid_cells(np.arange(5)[:, None] * np.array(step))
    assert sorted(np.ptp(cells, axis=0).tolist()) == [0, 4]


def test_one_tile_is_one_cell():
    assert grid_cells(np.array([[3.0, 4.0]])).tolist() == [[0, 0]]


@pytest.mark.parametrize("second", [(0.0, 0.0), (20.0, 10.0)])
def test_two_tiles_in_a_cell_are_an_error_with_their_positions(second):
    um, _ = lattice("square")
    with pytest.raises(DataContractError, match="two tiles in one cell"):
        grid_cells(np.concatenate([um, um[:1] + np.array([second])]))


def test_neighbours_stay_close_in_the_order_of_tiles():
    cells = np.stack(np.divmod(np.arange(256), 16), axis=1)
    in_order = cells[z_order(cells)]
    for start in range(0, 256, 16):
        assert np.ptp(in_order[start : start + 16], axis=0).tolist() == [3, 3]
