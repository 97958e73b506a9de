"""A bias keeps its shape over the tile when the grid of its positions changes."""

import pytest
import torch
from torch.nn import functional

from histoscribe.models.layers.position_bias import resized_bias

SIDES = [(40, 5, 56, 7), (5, 5, 7, 7), (12, 3, 8, 2), (4, 4, 3, 6)]
"""Side of the grids of queries and keys, before and after; the first is CMT's, 160 px to 224."""


def drawn(side, key_side, heads=2):
    draw = torch.Generator().manual_seed(side)
    return torch.randn(heads, side**2, key_side**2, generator=draw)


def centres(side):
    """Position of each cell of a grid in the tile, 0 to 1: row and column [side^2, 2]."""
    line = (torch.arange(side, dtype=torch.float64) + 0.5) / side
    return torch.cartesian_prod(line, line)


def inside(side, new_side):
    """Cells of the new grid that lie two cells of the old one from its border."""
    at = centres(new_side) * side
    return ((at > 2) & (at < side - 2)).all(dim=1)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_same_grid_gives_the_same_bits(dtype):
    bias = drawn(6, 3).to(dtype)
    assert torch.equal(resized_bias(bias, 36, 9), bias)


@pytest.mark.parametrize(("side", "key_side", "new_side", "new_key_side"), SIDES)
def test_a_constant_stays_constant(side, key_side, new_side, new_key_side):
    bias = torch.full((3, side**2, key_side**2), 1.7)
    resized = resized_bias(bias, new_side**2, new_key_side**2)
    torch.testing.assert_close(resized, torch.full((3, new_side**2, new_key_side**2), 1.7))


def test_a_bias_linear_in_both_positions_stays_linear_away_from_borders():
    slope = torch.tensor([[2.0, -1.0], [0.5, 3.0]], dtype=torch.float64)

    def linear(side, key_side):
        of_query, of_key = centres(side) @ slope[0], centres(key_side) @ slope[1]
        return (of_query[:, None] + of_key - 0.3)[None]

    resized = resized_bias(linear(40, 8), 56**2, 11**2)
    queries, keys = inside(40, 56), inside(8, 11)
    assert queries.sum() > 2000
    assert keys.sum() >= 9
    torch.testing.assert_close(
        resized[:, queries][:, :, keys], linear(56, 11)[:, queries][:, :, keys]
    )


def test_queries_and_keys_are_interpolated_as_two_pictures():
    """Each key's map over queries is resized as a picture, then each query's map over keys."""
    bias = drawn(8, 6).double()
    over_queries = picture(bias.transpose(1, 2).unflatten(2, (8, 8)), 13)
    over_keys = picture(over_queries.flatten(2).transpose(1, 2).unflatten(2, (6, 6)), 9).flatten(2)
    # torch's pictures end differently: it spreads the weight of cells beyond the border
    queries, keys = inside(8, 13), inside(6, 9)
    found, expected = (
        of[:, queries][:, :, keys] for of in (resized_bias(bias, 169, 81), over_keys)
    )
    assert found.numel() > 100
    torch.testing.assert_close(found, expected)


def picture(grid, side):
    """Torch's bicubic enlargement with the same slope, which it takes for antialiasing."""
    return functional.interpolate(grid, (side, side), mode="bicubic", antialias=True)


def test_turning_the_tile_turns_the_bias():
    bias = drawn(6, 3)

    def turned(of, side, key_side):
        grid = of.reshape(-1, side, side, key_side, key_side)
        return torch.rot90(torch.rot90(grid, 1, (1, 2)), 1, (3, 4)).reshape(of.shape)

    torch.testing.assert_close(
        resized_bias(turned(bias, 6, 3), 64, 16), turned(resized_bias(bias, 64, 16), 8, 4)
    )


def test_a_grid_that_is_no_square_is_refused():
    with pytest.raises(ValueError, match="12 positions are no square grid"):
        resized_bias(torch.zeros(1, 12, 4), 16, 4)
