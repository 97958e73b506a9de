"""NSL: colour and nothing but colour."""

import numpy as np
import torch

from histoscribe.models.base import create_model
from tests.models.networks.networks import (
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    facts,
    inputs,
    network,
    predict,
)


def test_equals_a_convolution_of_every_pixel_and_its_mean():
    net = network("nsl")
    with torch.no_grad():
        net.slope.copy_(torch.linspace(-2, 3, N_GENES))
    image = inputs(net, n=2)["image"].numpy().astype(np.float64)
    fact = facts()
    stain, slope = net.stain.detach().numpy(), net.slope.detach().numpy()
    expected = np.zeros((2, N_GENES))
    for tile in range(2):
        for gene in range(N_GENES):
            total = 0.0
            for row in range(32):
                for column in range(32):
                    for channel in range(3):
                        mean, scale = fact.image_mean[channel], fact.image_scale[channel]
                        density = -np.log((image[tile, channel, row, column] + 1) / 256)
                        usual = -np.log((mean + 1) / 256)
                        total += stain[gene, channel] * (density - usual) * (mean + 1) / scale
            expected[tile, gene] = slope[gene] * total / 32**2 + fact.target_mean[gene]
    np.testing.assert_allclose(predict(net, inputs(net, n=2)).numpy(), expected, rtol=1e-4)


def test_a_tile_with_its_pixels_shuffled_is_the_same_tile():
    net = network("nsl")
    image = inputs(net)["image"]
    order = torch.randperm(32 * 32, generator=torch.Generator().manual_seed(1))
    shuffled = image.flatten(2)[..., order].view_as(image)
    torch.testing.assert_close(predict(net, {"image": shuffled}), predict(net, {"image": image}))


def test_a_tile_of_the_mean_colour_is_predicted_at_the_training_mean():
    net = network("nsl")
    image = torch.tensor([200.0, 150.0, 180.0]).view(1, 3, 1, 1).expand(1, 3, 32, 32)
    expected = torch.linspace(0, 4, N_GENES)[None]
    torch.testing.assert_close(predict(net, {"image": image}), expected, rtol=0, atol=1e-4)


def test_black_is_finite_and_has_a_gradient():
    image = torch.zeros(1, 3, 32, 32, requires_grad=True)
    network("nsl")(image).expression.sum().backward()
    assert torch.isfinite(image.grad).all()
    assert image.grad.abs().sum() > 0


def test_learns_a_planted_stain_in_the_epochs_of_a_small_run():
    net = create_model("nsl", facts=facts())  # at its default rate
    draw = torch.Generator().manual_seed(2)
    colour = 60 + 180 * torch.rand(64, 3, 1, 1, generator=draw)
    image = colour.expand(-1, -1, 32, 32)
    density = -torch.log((colour[..., 0, 0] + 1) / 256)
    planted = torch.randn(3, N_GENES, generator=draw)
    before, after = errors_before_and_after(net, {"image": image}, density @ planted, steps=500)
    assert after < 0.02 * before


def test_autocast_does_not_round_what_it_predicts():
    net = network("nsl")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predicted = predict(net, inputs(net))
    assert torch.equal(predicted, predict(net, inputs(net)))


def test_gradients_reach_every_parameter():
    net = network("nsl")
    assert dead_parameters(net, inputs(net)) == []


def test_a_spot_does_not_depend_on_its_batch_mates():
    net = network("nsl")
    seen = inputs(net)
    torch.testing.assert_close(predict(net, seen)[:1], predict(net, {"image": seen["image"][:1]}))


def test_any_tile_will_do():
    net = network("nsl")
    assert type(net).tile_problem(net.config, 1) is None
    assert predict(net, inputs(net, tile_px=1)).shape == (6, N_GENES)
