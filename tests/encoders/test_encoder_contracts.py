"""What every encoder promises, over the registry."""

import pytest
import torch
from torch import nn

from histoscribe.encoders.catalog import list_encoders
from histoscribe.encoders.encoder import load_encoder

FIXED = tuple(record.name for record in list_encoders() if not record.needs_weights)
PRETRAINED = (
    "torchvision:squeezenet1_0",
    "torchvision:resnet18",
    "timm:vit_tiny_patch16_224",
)
PUBLISHED = ("ctranspath", "gigapath-flash")  # one of each way a published net is built and read
NAMES = (*FIXED, *PRETRAINED)


@pytest.fixture(
    scope="module",
    params=[*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in PUBLISHED)],
)
def encoder(request):
    return load_encoder(request.param, random_seed=None if request.param in FIXED else 3)


@pytest.fixture(scope="module")
def tiles():
    draw = torch.Generator().manual_seed(0)
    coarse = torch.randint(40, 256, (5, 3, 12, 12), generator=draw).float()
    smooth = nn.functional.interpolate(coarse, size=(96, 96), mode="bicubic")
    return smooth.clamp(0, 255).to(torch.uint8)


def test_features_have_the_promised_shape(encoder, tiles):
    feature = encoder(tiles)
    assert feature.shape == (5, encoder.width)
    assert feature.dtype == torch.float32
    assert feature.isfinite().all()


def test_the_record_tells_the_width_of_the_default_layer(encoder):
    known = {record.name: record.width for record in list_encoders()}
    assert known.get(encoder.record.name, encoder.width) == encoder.width
    assert encoder.record.licence
    assert encoder.record.paper


def test_a_tile_does_not_see_its_batch_mates(encoder, tiles):
    alone = torch.cat([encoder(tile) for tile in tiles.split(1)])
    torch.testing.assert_close(encoder(tiles), alone, rtol=1e-4, atol=1e-4)


def test_the_same_tiles_give_the_same_bits(encoder, tiles):
    assert torch.equal(encoder(tiles), encoder(tiles))


def test_whole_and_float_pixels_give_the_same_bits(encoder, tiles):
    assert torch.equal(encoder(tiles), encoder(tiles.float()))


def test_memory_layout_changes_little(encoder, tiles):
    turned = tiles.contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(encoder(turned), encoder(tiles), rtol=1e-4, atol=1e-4)


def test_a_float_image_gets_a_finite_gradient(encoder, tiles):
    image = tiles.float().requires_grad_()
    weight = torch.linspace(-1, 1, encoder.width)
    (encoder(image) * weight).sum().backward()
    assert image.grad.isfinite().all()
    assert (image.grad != 0).flatten(1).any(dim=1).all()


def test_a_gradient_can_follow_plain_inference(encoder, tiles):
    small = tiles[:1, :, :80, :80]  # a size no other test has used
    with torch.inference_mode():
        encoder(small)
    image = small.float().requires_grad_()
    encoder(image).square().sum().backward()
    assert image.grad.isfinite().all()


def test_a_white_tile_has_a_finite_feature_and_gradient(encoder):
    image = torch.full((1, 3, 96, 96), 255.0).requires_grad_()
    feature = encoder(image)
    feature.square().sum().backward()
    assert feature.isfinite().all()
    assert image.grad.isfinite().all()


def test_it_stays_in_evaluation_mode_and_is_never_trained(encoder):
    nn.Sequential(encoder).train()
    assert not any(module.training for module in encoder.modules())
    assert not any(parameter.requires_grad for parameter in encoder.parameters())


def test_no_two_encoders_share_an_identity():
    made = [load_encoder(name, random_seed=3 if name in PRETRAINED else None) for name in NAMES]
    assert len({encoder.identity for encoder in made}) == len(NAMES)
