"""ST-Net: its start, its symmetries, its weights."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision
from histoscribe.errors import DataContractError
from histoscribe.models.base import make_config
from histoscribe.models.networks.stnet import STNet, STNetConfig
from histoscribe.types import Labels, Output
from tests.models.networks.networks import (
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    facts,
    inputs,
    network,
    predict,
    recipe_of,
)

from torchvision.models import densenet121  # isort: skip


def trained_net():
    """A net with a head that says something, in float64: what is equal then is so to 1e-12."""
    net = network("stnet")
    torch.nn.init.normal_(net.head.linear.weight, generator=torch.Generator().manual_seed(0))
    return net.double()


def laid(tile, turns, mirrored):
    """One of eight ways to lay tiles down, by NumPy."""
    seen = np.rot90(tile.numpy(), turns, axes=(2, 3))
    return torch.from_numpy((seen[..., ::-1] if mirrored else seen).copy())


EIGHT = [(turns, mirrored) for turns in range(4) for mirrored in (False, True)]


def test_starts_at_the_training_mean_of_any_tile():
    net = network("stnet")
    mean = torch.linspace(0, 4, N_GENES).expand(6, -1)
    torch.testing.assert_close(predict(net, inputs(net)), mean)
    torch.testing.assert_close(predict(net.train(), inputs(net)), mean)


@pytest.mark.parametrize(("turns", "mirrored"), EIGHT)
def test_a_tile_is_predicted_alike_however_it_lies(turns, mirrored):
    net = trained_net()
    tile = inputs(net)["image"]
    turned = predict(net, {"image": laid(tile, turns, mirrored)})
    torch.testing.assert_close(turned, predict(net, {"image": tile}), rtol=0, atol=1e-12)


def test_predicts_the_mean_over_eight_different_predictions():
    net = trained_net()
    tile = inputs(net)["image"]
    with torch.no_grad():
        each = [net.head(net._pooled(net.normalise(laid(tile, *way)))) for way in EIGHT]
    apart = [(a - b).abs().max() for i, a in enumerate(each) for b in each[:i]]
    assert min(apart) > 1e-3
    torch.testing.assert_close(predict(net, {"image": tile}), torch.stack(each).mean(dim=0))


def test_a_spot_does_not_depend_on_its_batch_mates():
    net = trained_net()
    seen = inputs(net)
    alone = predict(net, {"image": seen["image"][:1]})
    torch.testing.assert_close(predict(net, seen)[:1], alone)


def test_gradients_reach_every_parameter_once_the_head_has_moved():
    net = trained_net().float()
    assert dead_parameters(net, inputs(net)) == []


def test_the_default_is_densenet_121():
    with torch.device("meta"):
        net = STNet(facts(), STNetConfig())
    # 7,978,856 as published, less the classifier of 1024 x 1000 + 1000
    assert sum(p.numel() for p in net.features.parameters()) == 6_953_856
    assert net.head.linear.in_features == 1024


def test_the_loss_sums_over_the_batch_and_averages_over_genes():
    net = network("stnet")
    predicted, target = torch.zeros(3, N_GENES), torch.full((3, N_GENES), 2.0)
    assert net.loss(Output(predicted), Labels(target)).item() == pytest.approx(3 * 4.0)


def test_trains_as_its_paper_says():
    recipe = recipe_of(network("stnet", preset="default"))
    assert (recipe.optimiser, recipe.learning_rate) == ("sgd", 1e-6)
    assert (recipe.schedule, recipe.turned) == ("constant", "right-angles")


def test_trains_on_the_last_spot_of_an_epoch_alone():
    net = network("stnet", blocks=(1, 1, 1, 1)).train()  # its last map has one position
    net(inputs(net, n=1)["image"]).expression.sum().backward()
    assert torch.isfinite(net.head.linear.weight.grad).all()


@pytest.mark.parametrize("preset", ["tiny", pytest.param("small", marks=pytest.mark.slow)])
def test_learns_a_planted_texture_from_random_numbers(preset):
    net = network("stnet", preset=preset)
    seen = inputs(net, n=32)
    spread = torch.linspace(0.1, 1, 32)[:, None, None, None]  # same colour, more or less grain
    image = 128 + spread * (seen["image"].float() - 128)
    target = 2 * spread[:, :, 0, 0].expand(-1, N_GENES) + torch.linspace(0, 4, N_GENES) - 1.1
    before, after = errors_before_and_after(net, {"image": image}, target, steps=60)
    assert after < 0.3 * before


def test_takes_the_weights_of_a_file(tmp_path):
    torch.manual_seed(3)
    published = densenet121().eval()
    save_file(published.state_dict(), tmp_path / "model.safetensors")
    net = STNet(facts(), STNetConfig())
    net.start_from(tmp_path / "model.safetensors")
    found, wanted = net.features.state_dict(), published.features.state_dict()
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


def test_takes_a_file_with_the_names_of_old_ones(tmp_path):
    published = densenet121()
    old = {
        name.replace("norm1.", "norm.1.")
        .replace("norm2.", "norm.2.")
        .replace("conv1.", "conv.1.")
        .replace("conv2.", "conv.2."): value
        for name, value in published.state_dict().items()
        if not name.endswith("num_batches_tracked")
    }
    torch.save(old, tmp_path / "densenet121.pth")
    net = STNet(facts(), STNetConfig())
    net.start_from(tmp_path / "densenet121.pth")
    found = net.features.denseblock4.denselayer16.conv2.weight
    assert torch.equal(found, published.features.denseblock4.denselayer16.conv2.weight)


def test_refuses_a_file_of_another_net(tmp_path):
    save_file({"features.conv0.weight": torch.zeros(64, 3, 7, 7)}, tmp_path / "m.safetensors")
    with pytest.raises(DataContractError, match=r"missing: features\.norm0\.weight"):
        STNet(facts(), STNetConfig()).start_from(tmp_path / "m.safetensors")


def test_refuses_published_weights_for_another_size():
    with pytest.raises(ValueError, match="weights = 'random'"):
        make_config("stnet", {"growth": 16})
    with pytest.raises(ValueError, match="weights = 'random'"):
        make_config("stnet", {"preset": "small", "weights": "file"})


def test_says_which_tiles_are_too_small():
    problem = STNet.tile_problem(STNetConfig(), 31)
    assert problem is not None
    assert "at least 32 px" in problem.expected
    assert STNet.tile_problem(STNetConfig(), 32) is None
