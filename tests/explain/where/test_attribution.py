"""Pixels of a tile: methods have their known answers, and our Grad-CAM is that of captum."""

import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.encoders.encoder import load_encoder
from histoscribe.explain.grad_cam.gene_maps import gene_maps
from histoscribe.explain.where import attribution
from histoscribe.explain.where.attribution import (
    attributions,
    baseline_of,
    integrated_gradients,
)
from histoscribe.explain.where.last_map import grad_cam, last_map_layer
from histoscribe.models.base import create_model
from tests.explain.planted_maps import Corners, planted
from tests.models.networks.networks import facts, network

captum_attr = pytest.importorskip("captum.attr")
TILES = torch.randint(0, 256, (3, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()


class Small(nn.Module):
    """Two convolutions, an activation in place, and the mean over the tile."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, padding=1, stride=2)
        self.second = nn.Conv2d(6, 5, 3, padding=1)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(5, 4)

    def forward(self, image):
        maps = self.relu(self.second(torch.tanh(self.first(image / 255))))
        return self.head(self.pool(maps)[..., 0, 0])


@pytest.fixture(scope="module")
def small():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return Small().eval()


def explained(net, n_genes, tiles=TILES):
    """Maps of the first genes, by the name of their method."""

    def function(image):
        return net(image)[:, :n_genes]

    return {one.name: one for one in attributions(function, [net], tiles.float(), n_genes)}


def test_maps_sum_to_the_change_of_the_prediction(small):
    found = explained(small, 2)
    assert list(found) == [
        "integrated gradients, white",
        "integrated gradients, blurred",
        "occlusion, white",
        "occlusion, blurred",
        "Grad-CAM",
    ]
    tiles = TILES.float()
    for baseline in ("white", "blurred"):
        one = found[f"integrated gradients, {baseline}"]
        with torch.no_grad():
            change = (small(tiles) - small(baseline_of(tiles, baseline)))[:, :2].numpy()
        assert one.error.max() <= 0.05
        assert one.n_steps >= 64
        sums = one.maps.sum(axis=(2, 3))
        np.testing.assert_allclose(sums, change, atol=0.05 * np.abs(change).mean(axis=0).max())
    assert found["Grad-CAM"].maps.shape == (3, 2, 16, 16)
    assert found["Grad-CAM"].maps.min() >= 0


def test_occlusion_is_the_fall_of_the_prediction(small):
    found = explained(small, 1, TILES[:1])
    hidden = TILES[:1].float()
    hidden[..., 4:8, 8:12] = 255.0
    with torch.no_grad():
        fall = (small(TILES[:1].float()) - small(hidden))[0, 0]
    assert found["occlusion, white"].maps[0, 0, 1, 2] == pytest.approx(float(fall), abs=1e-6)


def test_a_tile_whose_sum_does_not_fit_gets_more_steps(small, monkeypatch):
    monkeypatch.setattr(attribution, "LARGEST_ERROR", 0.0)
    first = explained(small, 1, TILES[:1])["integrated gradients, white"]
    assert first.n_steps == attribution.MOST_STEPS


@pytest.mark.parametrize("layer", ["first", "second", "relu"])
def test_grad_cam_at_any_layer_equals_that_of_captum(small, layer):
    at, tile = small.get_submodule(layer), TILES[:1].float()
    ours = grad_cam(small, tile, at, 4)
    for gene in range(4):
        theirs = captum_attr.LayerGradCam(small, at).attribute(
            tile.clone().requires_grad_(), target=gene, relu_attributions=True
        )
        torch.testing.assert_close(ours[:, gene], theirs[:, 0].detach(), atol=1e-5, rtol=0)


def test_the_last_map_of_an_encoder_has_all_its_channels():
    """The last module of SqueezeNet gives half of them: the other half is joined behind it."""
    encoder = load_encoder("torchvision:squeezenet1_0", random_seed=0)
    layer = last_map_layer([encoder], encoder, TILES[:1].float().repeat(1, 1, 3, 3))
    channels = layer(TILES[:1].float().repeat(1, 1, 3, 3))["map"]
    assert channels.shape[1] == encoder.width == 512


def test_a_network_that_reads_a_tile_eight_times_has_no_single_last_map():
    net = create_model("stnet", n_genes=2, tile_px=64, preset="tiny").eval()
    tile = TILES[:1].float().repeat(1, 1, 2, 2)
    assert last_map_layer([net], lambda image: net(image=image).expression, tile) is None


def test_the_last_map_with_several_cells_is_found_and_no_hook_stays(small):
    tile = TILES[:1].float()
    assert last_map_layer([small], small, tile) is small.relu
    assert all(not module._forward_hooks for module in small.modules())
    assert last_map_layer([small.head], small, tile) is None


class Whole(nn.Module):
    """A network with its map as a module of its own, which is what captum hooks."""

    def __init__(self, net):
        super().__init__()
        self.net, self.map = net, Map(net)

    def forward(self, image):
        return self.net.genes_of_map(self.map(image))


class Map(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.class_map = net.class_map

    def forward(self, image):
        return self.class_map(image)


@pytest.mark.parametrize("name", ["corners", "tcgn"])
def test_our_grad_cam_equals_that_of_captum(name):
    net = planted(Corners, 5).eval() if name == "corners" else network("tcgn")
    assert facts().tile_px == 32
    ours = gene_maps(net, TILES, [0, 1, 3], torch.device("cpu"))
    whole = Whole(net)
    for place, gene in enumerate((0, 1, 3)):
        theirs = captum_attr.LayerGradCam(whole, whole.map).attribute(
            TILES.float().requires_grad_(), target=gene, relu_attributions=True
        )
        np.testing.assert_allclose(ours[:, place], theirs[:, 0].detach().numpy(), atol=1e-5)


def test_integrated_gradients_of_a_linear_function_are_exact():
    weight = torch.randn(3, 32, 32, generator=torch.Generator().manual_seed(2))
    tile = TILES[:1].float()

    def function(image):
        return (image * weight).sum(dim=(1, 2, 3))[:, None]

    found = integrated_gradients(function, tile, torch.full_like(tile, 255.0), 0, 8)
    torch.testing.assert_close(found[0], weight * (tile[0] - 255), rtol=1e-4, atol=1e-3)
