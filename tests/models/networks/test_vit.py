"""ViT-B, and the transformer that ViTExp and Retro open up."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from histoscribe.models.base import make_config
from histoscribe.models.layers.patch_transformer import TransformerConfig
from histoscribe.models.networks.vit import ViT
from tests.models.networks.networks import (
    N_GENES,
    dead_parameters,
    errors_before_and_after,
    facts,
    inputs,
    network,
    predict,
)


@pytest.mark.parametrize("patch_px", [16, 32])
def test_the_default_is_vit_b(patch_px):
    with torch.device("meta"):
        net = ViT(facts(256), TransformerConfig(patch_px=patch_px))
    count = sum(value.numel() for value in net.patches.parameters())
    assert count == pytest.approx(86e6, rel=0.02)


def test_equals_the_transformer_of_torch():
    net = network("vit")
    body = net.patches.net
    image = inputs(net)["image"]
    patches = net.patches.normalise(image).unfold(2, 8, 8).unfold(3, 8, 8)
    flat = patches.permute(0, 2, 3, 1, 4, 5).reshape(6, 16, -1)
    with torch.no_grad():
        tokens = flat @ body.patch_embed.proj.weight.flatten(1).T + body.patch_embed.proj.bias
        tokens = tokens + body.pos_embed
        for layer in body.blocks:
            tokens = of_torch(layer)(tokens)
        expected = net.head(body.norm(tokens).mean(dim=1))
    torch.testing.assert_close(predict(net, {"image": image}), expected, rtol=0, atol=1e-5)


def of_torch(layer):
    """torch's own layer with the weights of one of timm's."""
    made = nn.TransformerEncoderLayer(
        32, 2, 128, dropout=0.0, activation="gelu", layer_norm_eps=1e-6, batch_first=True,
        norm_first=True,
    )  # fmt: skip
    pairs = {
        "self_attn.in_proj_": layer.attn.qkv,
        "self_attn.out_proj.": layer.attn.proj,
        "linear1.": layer.mlp.fc1,
        "linear2.": layer.mlp.fc2,
        "norm1.": layer.norm1,
        "norm2.": layer.norm2,
    }
    made.load_state_dict(
        {f"{name}{kind}": getattr(part, kind) for name, part in pairs.items()
         for kind in ("weight", "bias")}
    )  # fmt: skip
    return made.train()  # the layers have no dropout; torch's fast path of evaluation is other code


def test_where_a_patch_lies_matters():
    net = network("vit")
    image = inputs(net)["image"]
    moved = predict(net, {"image": image.roll(8, dims=3)})
    assert (moved - predict(net, {"image": image})).abs().max() > 1e-4


@pytest.mark.parametrize("preset", ["tiny", pytest.param("small", marks=pytest.mark.slow)])
def test_learns_where_something_dark_lies(preset):
    net = network("vit", preset=preset)
    image = inputs(net, n=32)["image"].float().clone()
    left = torch.arange(32) % 2 == 0
    image[left, :, :, :16] *= 0.3
    image[~left, :, :, 16:] *= 0.3
    target = torch.where(left, 1.0, -1.0)[:, None] + torch.linspace(0, 4, N_GENES)
    before, after = errors_before_and_after(net, {"image": image}, target, steps=60)
    assert after < 0.2 * before


def test_gradients_reach_every_parameter():
    net = network("vit")
    assert dead_parameters(net, inputs(net)) == []


def test_a_spot_does_not_depend_on_its_batch_mates():
    net = network("vit")
    seen = inputs(net)
    alone = predict(net, {"image": seen["image"][:1]})
    torch.testing.assert_close(predict(net, seen)[:1], alone, rtol=0, atol=1e-5)


def test_autocast_gives_nearly_the_same_in_float32():
    net = network("vit")
    with torch.autocast("cpu", dtype=torch.bfloat16):
        predicted = predict(net, inputs(net))
    assert predicted.dtype == torch.float32
    torch.testing.assert_close(predicted, predict(net, inputs(net)), rtol=0, atol=0.01)


@pytest.mark.parametrize("name", ["vit", "vitexp", "retro"])
def test_says_which_tiles_are_no_whole_number_of_patches(name):
    kind = type(network(name))
    problem = kind.tile_problem(kind.Config(), 100)
    assert problem is not None
    assert "100 px" in problem.found
    assert "96 or 112" in problem.remedy
    assert kind.tile_problem(kind.Config(), 96) is None
    assert "16," in kind.tile_problem(kind.Config(), 8).remedy


def test_refuses_heads_that_do_not_share_out_the_width():
    with pytest.raises(ValueError, match="768 is no multiple of 5"):
        make_config("vit", {"heads": 5})


def test_importing_models_imports_neither_timm_nor_torchvision():
    code = (
        "import sys; from histoscribe.models.base import model_class; "
        "from histoscribe.models.catalog import list_models; "
        "[model_class(name) for name in list_models()]; "
        "assert not {'timm', 'torchvision'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)
