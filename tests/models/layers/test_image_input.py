"""What networks that see pixels do with them first."""

import torch

from histoscribe.models.layers.image_input import NormalisedTiles, resized

MEAN = (200.0, 100.0, 50.0)


def test_training_tiles_get_mean_zero_and_deviation_one_in_each_channel():
    tiles = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8)
    spread = tiles.double()
    made = NormalisedTiles(
        tuple(spread.mean(dim=(0, 2, 3)).tolist()),
        tuple(spread.std(dim=(0, 2, 3), correction=0).tolist()),
    )(tiles)
    torch.testing.assert_close(made.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std(dim=(0, 2, 3), correction=0), torch.ones(3))


def test_bytes_and_floats_of_the_same_tile_are_one():
    normalise = NormalisedTiles(MEAN, (10.0, 20.0, 30.0))
    tiles = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(normalise(tiles), normalise(tiles.float()))


def test_a_channel_without_spread_is_centred_only():
    made = NormalisedTiles(MEAN, (10.0, 0.0, 30.0))(torch.full((1, 3, 4, 4), 103.0))
    torch.testing.assert_close(made[0, 1], torch.full((4, 4), 3.0))
    assert torch.isfinite(made).all()


def test_mean_and_deviation_are_saved_with_the_network():
    saved = NormalisedTiles(MEAN, (10.0, 20.0, 30.0)).state_dict()
    assert {name: value.flatten().tolist() for name, value in saved.items()} == {
        "mean": [200.0, 100.0, 50.0],
        "scale": [10.0, 20.0, 30.0],
    }


def test_a_larger_tile_is_interpolated_and_a_smaller_one_averaged():
    ramp = torch.arange(8.0).expand(1, 3, 8, 8)
    torch.testing.assert_close(
        resized(ramp, 16)[0, 0, 3, 4:8], torch.tensor([1.75, 2.25, 2.75, 3.25])
    )
    checks = ((torch.arange(8)[:, None] + torch.arange(8)) % 2 * 200).expand(1, 3, 8, 8)
    small = resized(checks.to(torch.uint8), 4)
    assert small.dtype == torch.float32
    assert (small - 100).abs().max() < 15, "every second pixel alone would give 0 or 200"


def test_a_tile_of_the_side_stays_as_it_is():
    tile = torch.randint(0, 256, (2, 3, 8, 8), dtype=torch.uint8)
    assert resized(tile, 8) is tile
