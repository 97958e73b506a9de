"""What networks that see pixels do with them first."""

import numpy as np
import torch

from histoscribe.models.base import Facts
from histoscribe.models.layers.image_input import NormalisedTiles


def facts(scale):
    return Facts(
        feature_mean=np.zeros(1),
        feature_scale=np.ones(1),
        target_mean=np.zeros(2),
        tile_px=4,
        image_mean=(200.0, 100.0, 50.0),
        image_scale=scale,
    )


def test_training_tiles_get_mean_zero_and_deviation_one_in_each_channel():
    tiles = torch.randint(0, 256, (50, 3, 4, 4), dtype=torch.uint8)
    spread = tiles.double()
    made = NormalisedTiles(
        Facts(
            feature_mean=np.zeros(1),
            feature_scale=np.ones(1),
            target_mean=np.zeros(2),
            image_mean=tuple(spread.mean(dim=(0, 2, 3)).tolist()),
            image_scale=tuple(spread.std(dim=(0, 2, 3), correction=0).tolist()),
        )
    )(tiles)
    torch.testing.assert_close(made.mean(dim=(0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std(dim=(0, 2, 3), correction=0), torch.ones(3))


def test_bytes_and_floats_of_the_same_tile_are_one():
    normalise = NormalisedTiles(facts((10.0, 20.0, 30.0)))
    tiles = torch.randint(0, 256, (3, 3, 4, 4), dtype=torch.uint8)
    assert torch.equal(normalise(tiles), normalise(tiles.float()))


def test_a_channel_without_spread_is_centred_only():
    made = NormalisedTiles(facts((10.0, 0.0, 30.0)))(torch.full((1, 3, 4, 4), 103.0))
    torch.testing.assert_close(made[0, 1], torch.full((4, 4), 3.0))
    assert torch.isfinite(made).all()


def test_mean_and_deviation_are_saved_with_the_network():
    saved = NormalisedTiles(facts((10.0, 20.0, 30.0))).state_dict()
    assert {name: value.flatten().tolist() for name, value in saved.items()} == {
        "mean": [200.0, 100.0, 50.0],
        "scale": [10.0, 20.0, 30.0],
    }
