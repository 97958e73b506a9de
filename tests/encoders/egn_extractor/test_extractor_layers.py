"""What the layers of the extractor promise, against loops and known answers."""

from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from torch.nn import functional

from histoscribe.encoders.egn_extractor.discriminator import StyleDiscriminator
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder
from histoscribe.encoders.egn_extractor.generator import ModulatedConv, StyleGenerator
from histoscribe.encoders.egn_extractor.layers import (
    EqualConv,
    EqualLinear,
    StyleConfig,
    double,
    halve,
)

SMALL = StyleConfig(window_px=64, width=16, full_width_px=8, encoder_channels=2)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


def weights_by_loop(conv, code):
    """Equations 1 and 3 of the paper, one weight of one window at a time."""
    style = conv.style(code)
    n_out, n_in, k, _ = conv.weight.shape
    made = torch.zeros(len(code), n_out, n_in, k, k)
    for b in range(len(code)):
        for o in range(n_out):
            for i in range(n_in):
                made[b, o, i] = conv.weight[o, i] / (n_in * k * k) ** 0.5 * style[b, i]
            if conv.demodulated:
                made[b, o] /= (made[b, o].square().sum() + 1e-8).sqrt()
    return made


@pytest.mark.parametrize("demodulated", [True, False])
def test_a_modulated_convolution_has_the_weights_of_each_window(demodulated):
    conv = ModulatedConv(5, 4, 3, demodulated=demodulated)
    maps, code = torch.randn(3, 5, 6, 6), torch.randn(3, 512)
    by_window = torch.cat(
        [
            functional.conv2d(maps[b : b + 1], weight, conv.bias, padding=1)
            for b, weight in enumerate(weights_by_loop(conv, code))
        ]
    )
    torch.testing.assert_close(conv(maps, code), by_window, rtol=1e-4, atol=1e-5)


def test_demodulated_weights_have_unit_length():
    conv = ModulatedConv(6, 4, 3, demodulated=True)
    into, out = conv.scales(torch.randn(3, 512))
    weight = conv.weight / 54**0.5
    made = weight[None] * into[:, None, :, None, None] * out[:, :, None, None, None]
    torch.testing.assert_close(made.square().sum(dim=(2, 3, 4)), torch.ones(3, 4))


def test_a_slow_layer_computes_as_a_fast_one_and_learns_less():
    fast, slow = EqualLinear(6, 4, bias=1.0), EqualLinear(6, 4, bias=1.0, rate=0.01)
    with torch.no_grad():
        slow.weight.copy_(100 * fast.weight)
    values = torch.randn(5, 6)
    before = fast(values).detach()
    torch.testing.assert_close(slow(values), before)
    for layer in (fast, slow):
        adam = torch.optim.Adam(layer.parameters(), lr=1e-3)
        layer(values).sum().backward()
        adam.step()
    changes = [(layer(values) - before).abs().mean() for layer in (slow, fast)]
    assert (changes[0] / changes[1]).item() == pytest.approx(0.01, rel=0.01)


def test_halving_and_doubling_keep_a_ramp_away_from_the_edge():
    ramp = torch.arange(16.0).expand(1, 2, 16, 16)
    torch.testing.assert_close(halve(ramp)[0, 0, 3, 1:-1], torch.arange(2.5, 14, 2))
    inner = functional.interpolate(ramp, scale_factor=2, mode="bilinear")[..., 2:-2, 2:-2]
    torch.testing.assert_close(double(ramp)[..., 2:-2, 2:-2], inner)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [(EqualLinear(700, 900), (4, 700)), (EqualConv(70, 900, 3), (4, 70, 3, 3))],
)
def test_a_new_layer_keeps_unit_variance(layer, shape):
    made = layer(torch.randn(*shape))
    found = made[..., 1, 1] if made.ndim == 4 else made
    assert found.var().item() == pytest.approx(1.0, rel=0.1)
    assert layer.weight.var().item() == pytest.approx(1.0, rel=0.1)


def test_widths_are_those_of_the_paper_and_of_its_source():
    paper = StyleConfig()
    widths = {side: paper.channels(side) for side in paper.sides}
    assert widths == {4: 512, 8: 512, 16: 512, 32: 512, 64: 256, 128: 128, 256: 64}
    assert paper.encoder_widths == (64, 128, 256, 512, 512, 512, 512)


@pytest.mark.parametrize(("n_head", "n_mapping"), [(4, 5), (1, 1)])
def test_the_published_encoder_has_the_numbers_of_its_source(n_head, n_mapping):
    """Six scales of two blocks, heads of four layers and a mapping of five, counted by hand."""
    with torch.device("meta"):
        config = StyleConfig()
        assert (config.head_layers, config.mapping_layers) == (4, 5)
        net = StyleEncoder(replace(config, head_layers=n_head, mapping_layers=n_mapping))

    def block(n_in, n_out):
        return 9 * n_in * n_in + n_in + 9 * n_in * n_out + n_out + n_in * n_out

    widths = (64, 128, 256, 512, 512, 512, 512)
    blocks = sum(block(*pair) + block(pair[1], pair[1]) for pair in pairwise(widths))
    square = 512 * 512 + 512
    pooled = (128 * 4, 256 * 4, 512, 512, 512, 512)
    heads = sum(512 * n + 512 + (n_head - 1) * square for n in pooled)
    by_hand = 4 * 64 + blocks + heads + n_mapping * square
    assert sum(parameter.numel() for parameter in net.parameters()) == by_hand


@pytest.mark.parametrize("window_px", [0, 32, 96, 512])
def test_a_window_that_cannot_be_halved_to_4_px_is_refused(window_px):
    with pytest.raises(ValueError, match="64, 128, 256"):
        StyleConfig(window_px=window_px)


@pytest.mark.parametrize("window_px", [64, 128])
def test_nets_fit_together_and_every_parameter_learns(window_px):
    config = StyleConfig(window_px=window_px, width=32, full_width_px=8, encoder_channels=4)
    encoder, generator = StyleEncoder(config), StyleGenerator(config)
    image = torch.randn(2, 3, window_px, window_px)
    code = encoder.style(image)
    made = generator(code)
    score = StyleDiscriminator(config)(made)
    assert (code.shape, made.shape, score.shape) == ((2, 512), image.shape, (2,))
    (score.sum() + made.square().sum()).backward()
    for net in (encoder, generator):
        for name, parameter in net.named_parameters():
            assert parameter.grad is not None, name
            assert parameter.grad.abs().sum() > 0, name


@pytest.mark.parametrize("code", ["style", "pooled"])
def test_the_features_of_a_window_do_not_hang_on_how_it_lies(code):
    encoder = StyleEncoder(SMALL).read_as(code).eval()
    image = torch.randn(2, 3, 64, 64)
    before = encoder(image)
    for turned in (image.rot90(1, (2, 3)), image.flip(-1), image.flip(-2).rot90(3, (2, 3))):
        torch.testing.assert_close(encoder(turned), before, rtol=1e-4, atol=1e-5)
    assert (encoder(image.roll(1, 0)) - before).abs().max() > 0.01


def test_windows_do_not_see_their_neighbours_in_the_batch():
    encoder, generator = StyleEncoder(SMALL).eval(), StyleGenerator(SMALL).eval()
    image = torch.randn(3, 3, 64, 64)
    together = generator(encoder.style(image))
    torch.testing.assert_close(
        generator(encoder.style(image[1:2])), together[1:2], rtol=1e-4, atol=1e-5
    )
