"""Turns of training items: tiles and places move alike, and nothing else does."""

import numpy as np
import pytest
import torch

from histoscribe.train.turns import turned_batch, turned_input, turned_places, turned_tiles


def test_the_eight_symmetries_are_all_different_and_keep_every_pixel():
    tile = torch.arange(3 * 5 * 5).reshape(1, 3, 5, 5).to(torch.uint8)
    ways = [turned_tiles(tile, np.array([number])) for number in range(8)]
    assert len({way.numpy().tobytes() for way in ways}) == 8
    assert torch.equal(ways[0], tile)
    for way in ways:
        assert torch.equal(way.flatten().sort().values, tile.flatten().sort().values)


@pytest.mark.parametrize("number", range(8))
def test_a_place_moves_as_the_pixel_there(number):
    side, centre = 9, 4
    places = torch.tensor([[3.0, 1.0], [-2.0, 4.0], [0.0, -1.0]])
    tile = torch.zeros(1, 3, side, side, dtype=torch.uint8)
    for value, (x, y) in enumerate(places.int().tolist()):
        tile[0, 0, centre + y, centre + x] = value + 1
    symmetry = np.array([number])
    moved = turned_batch({"image": tile, "context_um": places[None]}, symmetry)
    for value, (x, y) in enumerate(moved["context_um"][0].int().tolist()):
        assert moved["image"][0, 0, centre + y, centre + x] == value + 1


def test_each_item_has_its_own_turn_and_distances_stay():
    um = torch.randn(8, 5, 2, generator=torch.Generator().manual_seed(0))
    moved = turned_places(um, np.arange(8))
    assert torch.equal(moved[0], um[0])
    of_one = turned_places(um[:1].repeat(8, 1, 1), np.arange(8))
    assert len({item.numpy().tobytes() for item in of_one}) == 8
    torch.testing.assert_close(torch.cdist(moved, moved), torch.cdist(um, um))


def test_what_is_turned_follows_from_what_the_network_reads():
    assert turned_input(("feature", "image")) == "tiles"
    assert turned_input(("context_feature", "context_um", "present")) == "places"
    assert turned_input(("context_feature",)) is None
