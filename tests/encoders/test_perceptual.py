"""The perceptual distance: that of its paper, and a loss that can be trained on."""

from itertools import pairwise

import pytest
import torch
from safetensors.torch import save_file

from histoscribe import torchvision_guard  # noqa: F401
from histoscribe.encoders.perceptual import TRUNKS, load_perceptual
from histoscribe.errors import DataContractError

SMALL = "torchvision:squeezenet1_0"


def tiles(n, side_px=64, seed=0):
    return torch.rand(n, 3, side_px, side_px, generator=torch.Generator().manual_seed(seed)) * 255


@pytest.fixture(scope="module")
def drawn():
    return load_perceptual(SMALL, random_seed=0)


@pytest.fixture(scope="module")
def trunk_files(tmp_path_factory):
    """Files with random weights of the nets that LPIPS has channel weights for."""
    from torchvision import models as zoo

    folder, files = tmp_path_factory.mktemp("weights"), {}
    for seed, name in enumerate(("alexnet", "squeezenet1_1")):
        torch.manual_seed(seed)
        net = zoo.get_model(name, weights=None)
        files[f"torchvision:{name}"] = folder / f"{name}.safetensors"
        save_file(net.state_dict(), files[f"torchvision:{name}"])
    return files


@pytest.mark.parametrize(("trunk", "theirs"), [("alexnet", "alex"), ("squeezenet1_1", "squeeze")])
def test_lpips_is_that_of_torchmetrics(trunk, theirs, trunk_files):
    from torchmetrics.functional.image.lpips import _LPIPS

    ours = load_perceptual(f"torchvision:{trunk}", given=trunk_files)
    torch.manual_seed(("alexnet", "squeezenet1_1").index(trunk))
    from torchvision import models as zoo

    net = zoo.get_model(trunk, weights=None)
    reference = _LPIPS(pretrained=True, net=theirs, pnet_rand=True)
    slices = getattr(reference.net, "slices", None) or [
        getattr(reference.net, f"slice{i}") for i in range(1, 6)
    ]
    for part in slices:
        for number, module in part.named_children():
            module.load_state_dict(net.features[int(number)].state_dict())
    x, y = tiles(3), tiles(3, seed=1)
    expected = reference(x / 127.5 - 1, y / 127.5 - 1).flatten()
    assert ours.name == f"LPIPS (torchvision:{trunk})"
    torch.testing.assert_close(ours(x, y), expected, rtol=1e-4, atol=1e-7)


def test_uniform_weights_are_the_mean_of_two_minus_two_cosines_over_positions(drawn):
    x, y = tiles(2), tiles(2, seed=1)
    expected = torch.zeros(2)
    for name, seen in drawn.net((x - drawn.mean) / drawn.std).items():
        other = drawn.net((y - drawn.mean) / drawn.std)[name]
        dead = (seen.norm(dim=1) == 0) ^ (other.norm(dim=1) == 0)  # one of two has no direction
        apart = 2 - 2 * torch.cosine_similarity(seen, other, dim=1)
        both = (seen.norm(dim=1) == 0) & (other.norm(dim=1) == 0)
        expected += torch.where(both, 0.0, torch.where(dead, 1.0, apart)).mean(dim=(1, 2))
    torch.testing.assert_close(drawn(x, y), expected, rtol=1e-4, atol=1e-5)


def test_it_is_zero_for_equal_tiles_symmetric_and_grows_with_the_change(drawn):
    x, other = tiles(4), tiles(4, seed=1)
    apart = [drawn(x, torch.lerp(x, other, share)) for share in (0.0, 0.1, 0.3, 1.0)]
    assert apart[0].eq(0).all()
    assert all((more > less).all() for less, more in pairwise(apart))
    torch.testing.assert_close(drawn(x, other), drawn(other, x))


@pytest.mark.parametrize("side_px", [64, 256])
def test_a_tile_can_be_trained_towards_another(drawn, side_px):
    target = tiles(1, side_px)
    tile = torch.full_like(target, 127.5).requires_grad_()
    optimiser = torch.optim.Adam([tile], lr=8.0)
    losses = []
    for _ in range(6):
        loss = drawn(tile, target).mean()
        optimiser.zero_grad()
        loss.backward()
        assert tile.grad.isfinite().all()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    assert all(parameter.grad is None for parameter in drawn.parameters())


def test_a_blank_tile_has_a_finite_gradient(drawn):
    blank = torch.zeros(1, 3, 64, 64, requires_grad=True)
    drawn(blank, tiles(1)).sum().backward()
    assert blank.grad.isfinite().all()


def test_a_tile_of_whole_numbers_is_read_as_its_floats(drawn):
    x = tiles(2).to(torch.uint8)
    torch.testing.assert_close(drawn.embed(x), drawn.embed(x.float()))


def test_it_stays_in_evaluation_mode_and_is_never_trained(drawn):
    assert not any(module.training for module in drawn.train().modules())
    assert not any(parameter.requires_grad for parameter in drawn.parameters())


def test_the_first_net_with_weights_is_taken_and_named(trunk_files, tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    found = load_perceptual(given={"torchvision:squeezenet1_1": trunk_files[TRUNKS[2]]})
    assert found.name == "LPIPS (torchvision:squeezenet1_1)"
    assert found.source.startswith("sha256:")


def test_without_weights_it_says_where_to_put_which(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    with pytest.raises(DataContractError, match="no weights of torchvision:alexnet") as raised:
        load_perceptual()
    assert str(tmp_path / "weights" / "alexnet") in str(raised.value)


def test_weights_of_another_net_are_refused(trunk_files):
    with pytest.raises(DataContractError, match="missing"):
        load_perceptual(
            "torchvision:resnet50", given={"torchvision:resnet50": trunk_files[TRUNKS[0]]}
        )


def test_an_unknown_net_and_a_tile_too_small_are_refused(drawn):
    with pytest.raises(DataContractError, match="one of torchvision:alexnet"):
        load_perceptual("torchvision:vit_b_16", random_seed=0)
    with pytest.raises(ValueError, match="64 px or more"):
        drawn(tiles(1, 32), tiles(1, 32))


def test_the_same_seed_draws_the_same_net(drawn):
    x = tiles(1)
    torch.testing.assert_close(
        load_perceptual(SMALL, random_seed=0).embed(x), drawn.embed(x), rtol=0, atol=0
    )
    assert (drawn.name, drawn.source) == (f"uniform weights on {SMALL}", "random:0")


@pytest.mark.data
def test_with_trained_weights_a_shifted_tile_is_nearer_than_another_place(real_data):
    assert real_data
    trained = load_perceptual(SMALL)
    place, other = tiles(1, 96) > 200, tiles(1, 96, seed=2) > 200
    smooth = torch.nn.functional.avg_pool2d
    place, other = (smooth(seen.float() * 255, 5, 1, 2) for seen in (place, other))
    moved = trained(place[..., :80, :80], place[..., 1:81, 1:81])
    assert moved < trained(place[..., :80, :80], other[..., :80, :80])
