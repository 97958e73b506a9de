"""The perceptual loss of reconstructions: that of its source, or another net's by name."""

import pytest
import torch
from torch.nn import functional

from histoscribe.encoders.feature_l1 import VGG19, FeatureL1, load_reconstruction_loss
from histoscribe.encoders.perceptual import load_perceptual
from histoscribe.errors import DataContractError

SQUEEZE = "torchvision:squeezenet1_0"


def tiles(n, seed=0):
    return torch.rand(n, 3, 32, 32, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.fixture(scope="module")
def vgg():
    return load_reconstruction_loss(VGG19, random_seed=0)


def test_five_rectified_maps_are_compared_with_halving_weights(vgg):
    assert isinstance(vgg, FeatureL1)
    assert (vgg.name, vgg.source) == ("L1 of maps of torchvision:vgg19 in -1..1", "random:0")
    image, other = tiles(2), tiles(2, seed=1)
    maps, others = image / 127.5 - 1, other / 127.5 - 1  # as the source gives them to the net
    expected, n_rectified, weights = (
        torch.zeros(2),
        0,
        {1: 1 / 32, 3: 1 / 16, 5: 1 / 8, 9: 1 / 4, 13: 1},
    )
    for layer in vgg.layers:
        maps, others = layer(maps), layer(others)
        n_rectified += isinstance(layer, torch.nn.ReLU)
        if isinstance(layer, torch.nn.ReLU) and n_rectified in weights:
            apart = functional.l1_loss(maps, others, reduction="none")
            expected += weights[n_rectified] * apart.flatten(1).mean(dim=1)
    torch.testing.assert_close(vgg(image, other), expected)
    assert n_rectified == 13


def test_it_is_zero_for_equal_tiles_and_trains_a_tile_alone(vgg):
    image = tiles(2).requires_grad_()
    assert vgg(image, image.detach()).eq(0).all()
    vgg(image, tiles(2, seed=1)).sum().backward()
    assert image.grad.isfinite().all()
    assert image.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in vgg.parameters())


def test_without_vgg_another_net_stands_in_by_its_name(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    with pytest.raises(DataContractError, match="no weights of torchvision:vgg19"):
        load_reconstruction_loss(VGG19)
    with pytest.raises(DataContractError, match="no weights of torchvision:alexnet"):
        load_reconstruction_loss()
    named = load_reconstruction_loss(SQUEEZE, random_seed=2)
    assert named.name == load_perceptual(SQUEEZE, random_seed=2).name
