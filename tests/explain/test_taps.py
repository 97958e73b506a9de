import numpy as np
import pytest
import torch
from torch import nn

from histoscribe.encoders.encoder import load_encoder
from histoscribe.errors import DataContractError
from histoscribe.explain.estimate import tell_estimate
from histoscribe.explain.taps import layer_names, tapped
from histoscribe.models.base import create_model
from histoscribe.progress import told_to


@pytest.fixture(scope="module")
def encoder():
    return load_encoder("torchvision:squeezenet1_0", layer="features.5", random_seed=0)


@pytest.fixture
def tiles():
    return torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (2, 3, 64, 64))).float()


def hooks_of(net):
    return [hook for module in net.modules() for hook in module._forward_hooks.values()]


def test_layers_of_an_encoder_are_those_that_the_settings_take(encoder):
    names = layer_names(encoder)
    assert names[0] == "encoder.features"
    assert {"encoder.features.3", "encoder.features.4.squeeze"} <= set(names)
    assert "encoder.features.6" not in names  # behind the cut


def test_a_tapped_block_is_the_encoder_cut_at_this_block(encoder, tiles):
    cut = load_encoder("torchvision:squeezenet1_0", layer="features.3", random_seed=0)
    with torch.no_grad(), tapped(encoder, ["encoder.features.3"]) as taps:
        encoder(tiles)
        pooled = taps.activation("encoder.features.3").mean(dim=(2, 3))
        assert torch.equal(pooled, cut(tiles))


def test_what_later_layers_overwrite_is_copied(encoder, tiles):
    # the activation behind this convolution works in place
    names = ["encoder.features.0", "encoder.features.1"]
    with torch.no_grad(), tapped(encoder, names) as taps:
        encoder(tiles)
        before, after = (taps.activation(name) for name in names)
    assert (before < 0).any()
    assert torch.equal(before.relu(), after)


def test_tapping_changes_no_bit_and_leaves_nothing(encoder, tiles):
    before = encoder(tiles)
    with tapped(encoder, layer_names(encoder)) as taps:
        output = encoder(tiles)
        taps.gradient("encoder.features.0", output.sum())
    assert torch.equal(before, output)
    assert not hooks_of(encoder)
    assert not any("forward" in vars(module) for module in encoder.modules())
    assert torch.equal(before, encoder(tiles))


def test_modes_and_gradients_are_as_before(tiles):
    model = create_model("stnet", n_genes=2, tile_px=64, preset="tiny").train()
    frozen = next(module for module in model.modules() if isinstance(module, nn.BatchNorm2d))
    frozen.eval()
    modes = [module.training for module in model.modules()]
    with pytest.raises(ValueError, match="stop"):
        _ask_and_fail(model, tiles)
    assert [module.training for module in model.modules()] == modes
    assert not hooks_of(model)
    assert all(parameter.grad is None for parameter in model.parameters())


def _ask_and_fail(model, tiles):
    with tapped(model, ["network.head"]) as taps:
        assert not model.training
        taps.gradient("network.head", model(image=tiles).expression.sum())
        raise ValueError("stop")


def test_gradients_are_those_of_autograd():
    model = create_model("mlp", n_genes=3, feature_width=4, hidden=5).eval()
    feature = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    with tapped(model, ["network.hidden"]) as taps:
        gene = model(feature=feature).expression[:, 1].sum()
        slope = taps.gradient("network.hidden", gene)
    assert torch.equal(slope, model.head.weight[1].expand(6, 5))
    assert torch.equal(taps.activation("network.hidden"), model.represent(feature).detach())


def test_the_gradient_of_a_frozen_layer_is_the_same_from_pixels_and_from_the_layer(encoder, tiles):
    name = "encoder.features.2"
    slopes = []
    for start in (tiles, tiles.clone().requires_grad_()):
        with tapped(encoder, [name]) as taps:
            slopes.append(taps.gradient(name, encoder(start)[:, 0].sum()))
    assert torch.equal(*slopes)
    assert slopes[0].abs().sum() > 0


def test_a_predictor_is_tapped_from_its_pixels_to_its_genes(explained):
    predictor = explained.predictor
    assert layer_names(predictor)[-1] == "network.head.linear"
    tiles = torch.full((2, 3, predictor.encoding.tile_px, predictor.encoding.tile_px), 200.0)
    before = predictor.from_pixels(tiles).expression
    with tapped(predictor, ["network.head"]) as taps:
        output = predictor.from_pixels(tiles).expression
        genes = taps.activation("network.head")
    assert torch.equal(before, output)
    assert torch.equal(genes, output)


def test_a_layer_that_runs_several_times_has_an_activation_each_time(tiles):
    model = create_model("stnet", n_genes=2, tile_px=64, preset="tiny").eval()
    name = next(n for n in layer_names(model) if n.count(".") == 2)
    with torch.no_grad(), tapped(model, [name]) as taps:
        model(image=tiles)
        assert len(taps.activations(name)) == 8
        with pytest.raises(ValueError, match="ran 8 times"):
            taps.activation(name)


def test_a_layer_that_does_not_run_has_no_activation(encoder):
    with (
        pytest.raises(ValueError, match="did not run"),
        tapped(encoder, ["encoder.features.0"]) as taps,
    ):
        taps.activation("encoder.features.0")


def test_layers_that_there_are_not_are_named_with_near_ones(encoder):
    with (
        pytest.raises(DataContractError) as raised,
        tapped(encoder, ["encoder.feature.3", "encoder.features.3", "elsewhere"]),
    ):
        pass
    assert "did you mean encoder.features.3" in str(raised.value)
    assert "layer elsewhere" in str(raised.value)


def test_only_long_work_tells_its_estimate():
    lines = []
    with told_to(lines.append):
        tell_estimate("one tile", 9.0)
        tell_estimate("32 tiles", 130.0)
    assert lines == ["32 tiles: about 2.2 min"]
