import math

import pytest
import torch

from histoscribe.models.layers.positions import position_layer


def test_x_fills_the_first_half_of_the_sinusoid_and_y_the_second():
    layer = position_layer("sinusoidal2d", 8)
    um = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 200.0]])
    origin, right, down = layer(um)
    torch.testing.assert_close(origin, torch.tensor([0.0, 0, 1, 1, 0, 0, 1, 1]))
    # base 10000: two frequencies per axis, of 1 and of 1/100 radian per 100 um
    known = [math.sin(1), math.sin(0.01), math.cos(1), math.cos(0.01)]
    torch.testing.assert_close(right[:4], torch.tensor(known))
    torch.testing.assert_close(right[4:], origin[4:])
    torch.testing.assert_close(down[:4], origin[:4])


@pytest.mark.parametrize("kind", ["sinusoidal2d", "mlp"])
def test_a_place_has_the_same_vector_on_a_small_and_on_a_large_section(kind):
    # the document divides by the extent of the slide: then a distance is another on every slide
    layer = position_layer(kind, 16)
    small = torch.tensor([[0.0, 0.0], [300.0, 100.0]])
    large = torch.cat([small, torch.tensor([[20_000.0, 0.0]])])
    torch.testing.assert_close(layer(small), layer(large)[:2])


@pytest.mark.parametrize("kind", ["sinusoidal2d", "mlp"])
def test_places_keep_their_um_under_autocast(kind):
    layer = position_layer(kind, 32)
    um = torch.tensor([[3000.0, 3000.0], [3002.0, 3000.0]])
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = layer(um)
    torch.testing.assert_close(found, layer(um))
    assert not torch.equal(found[0], found[1])


def test_no_positions_are_no_layer():
    assert position_layer("none", 16) is None
