"""A published file gives the features its authors' own code gives, whatever names it uses."""

import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from histoscribe import torchvision_guard  # noqa: F401 - before timm and transformers
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.pathology import PATHOLOGY, NetSpec
from histoscribe.encoders.published import build, load_published, read_out
from histoscribe.encoders.record import EncoderRecord
from histoscribe.encoders.tensor_names import in_timm_names, with_positions_of
from histoscribe.errors import DataContractError

import timm  # isort: skip - after the guard

WIDTH, DEPTH, HEADS = 48, 2, 4
SMALL = {"embed_dim": WIDTH, "depth": DEPTH, "num_heads": HEADS}
MLP = 2 * 128 / WIDTH  # both halves of SwiGLU
TINY = {
    "phikon": NetSpec(
        net="vit_small_patch16_224", settings={**SMALL, "mlp_ratio": 2.0}, norm_eps=1e-12
    ),
    "phikon-v2": NetSpec(
        net="vit_small_patch16_224", settings={**SMALL, "mlp_ratio": 2.0, "init_values": 1e-5}
    ),
    "midnight": NetSpec(
        net="vit_small_patch14_dinov2",
        settings={**SMALL, "img_size": 224, "mlp_ratio": MLP, "init_values": 1e-5},
        swiglu=True,
        file_px=518,
    ),
    "hibou-b": NetSpec(
        net="vit_small_patch14_reg4_dinov2",
        settings={**SMALL, "img_size": 224, "mlp_ratio": MLP, "init_values": 1e-5},
        swiglu=True,
    ),
}
"""The recipes of the list, made small."""


def record(width=WIDTH, read="class"):
    return EncoderRecord(
        name="tiny", width=width, read=read, licence="none", paper="none", needs_weights=True
    )


def random_net(net):
    """Draw every tensor anew: an initial net has zeros and ones that would hide a mix-up."""
    draw = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=draw) * 0.2)
    return net.eval()


@pytest.fixture
def tile():
    return torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(6))


def theirs(name):
    """The same small net as transformers builds it."""
    transformers = pytest.importorskip("transformers")
    shared = {
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": 2 * WIDTH,
        "mlp_ratio": 2 if name == "phikon-v2" else 4,
        "use_swiglu_ffn": name != "phikon-v2",
        "patch_size": 16 if name.startswith("phikon") else 14,
        "image_size": 518 if name == "midnight" else 224,
    }
    kinds = {
        "phikon": (transformers.ViTConfig, transformers.ViTModel),
        "hibou-b": (
            transformers.Dinov2WithRegistersConfig,
            transformers.Dinov2WithRegistersModel,
        ),
    }
    make_config, make = kinds.get(name, (transformers.Dinov2Config, transformers.Dinov2Model))
    if name == "phikon":
        shared = {key: shared[key] for key in shared if key not in ("mlp_ratio", "use_swiglu_ffn")}
        make = partial(make, add_pooling_layer=False)
    return random_net(make(make_config(**shared)))


@pytest.mark.parametrize("read", ["class", "class+mean"])
@pytest.mark.parametrize("name", TINY)
def test_a_file_of_transformers_gives_its_features(name, read, tile, tmp_path):
    net = theirs(name)
    net.save_pretrained(tmp_path)
    with torch.inference_mode():
        tokens = net(pixel_values=tile).last_hidden_state
        n_registers = getattr(net.config, "num_register_tokens", 0)
        parts = [tokens[:, 0], tokens[:, 1 + n_registers :].mean(dim=1)]
        expected = parts[0] if read == "class" else torch.cat(parts, dim=1)
        mine, source = load_published(record(read=read), TINY[name], tmp_path / "model.safetensors")
        torch.testing.assert_close(mine(tile), expected, rtol=1e-4, atol=1e-5)
    assert source.startswith("sha256:")


@pytest.mark.parametrize("name", TINY)
def test_the_small_recipes_differ_from_the_listed_in_size_only(name):
    listed, small = PATHOLOGY[name][1], TINY[name]
    kept = {"init_values", "img_size"}
    for recipe in (listed, small):
        assert {key: recipe.settings.get(key) for key in kept} == {
            key: listed.settings.get(key) for key in kept
        }
    assert (listed.swiglu, listed.norm_eps, listed.file_px) == (
        small.swiglu,
        small.norm_eps,
        small.file_px,
    )
    family = re.compile(r"patch.*")
    assert family.search(listed.net)[0] == family.search(small.net)[0]


def test_a_file_of_dinov2_gives_its_features(tile, tmp_path):
    # DINOv2's own names, with its blocks dealt out in chunks, from the same net as timm has it
    recipe = TINY["midnight"]
    net = random_net(build(recipe))
    names = {
        re.sub(r"^blocks\.", "blocks.0.", name)
        .replace("mlp.fc1.", "mlp.w12.")
        .replace("mlp.fc2.", "mlp.w3."): tensor
        for name, tensor in net.state_dict().items()
    }
    save_file(names | {"mask_token": torch.zeros(1, WIDTH)}, tmp_path / "dinov2.safetensors")
    mine, _ = load_published(record(), recipe, tmp_path / "dinov2.safetensors")
    with torch.inference_mode():
        assert torch.equal(mine(tile), read_out(net, record())(tile))


def test_registers_of_dinov2_keep_the_position_of_the_class_token(tile):
    recipe = TINY["hibou-b"]
    net = random_net(build(recipe))
    wanted = net.state_dict()
    position = torch.full((1, 1, WIDTH), 0.25)
    published = {
        ("register_tokens" if name == "reg_token" else name): t for name, t in wanted.items()
    }
    published["cls_token"] = wanted["cls_token"] - position
    published["pos_embed"] = torch.cat([position, wanted["pos_embed"]], dim=1)
    again = with_positions_of(in_timm_names(published), wanted, None)
    assert again.keys() == wanted.keys()
    for name, tensor in again.items():
        torch.testing.assert_close(tensor, wanted[name])


def test_positions_for_another_tile_are_refused_unless_the_recipe_says_so(tile, tmp_path):
    net = theirs("midnight")
    net.save_pretrained(tmp_path)
    strict = NetSpec(**{**vars(TINY["midnight"]), "file_px": None})
    with pytest.raises(DataContractError, match=r"pos_embed \(1, 1370, 48\) for \(1, 257, 48\)"):
        load_published(record(), strict, tmp_path / "model.safetensors")


def test_a_part_of_the_attention_that_is_missing_is_named(tmp_path):
    theirs("phikon-v2").save_pretrained(tmp_path)
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["encoder.layer.1.attention.attention.key.bias"]
    save_file(tensors, tmp_path / "short.safetensors")
    with pytest.raises(DataContractError) as caught:
        load_published(record(), TINY["phikon-v2"], tmp_path / "short.safetensors")
    assert "missing: blocks.1.attn.qkv.bias" in str(caught.value)
    assert "blocks.1.attn.query.bias" in str(caught.value)


def test_ctranspath_loads_from_the_names_of_the_timm_it_was_published_with(tile, tmp_path):
    # timm of 2021 merged patches at the end of a stage, and kept masks and indices in the file
    name, (listed, recipe) = "ctranspath", PATHOLOGY["ctranspath"]
    net = random_net(build(recipe))
    old = {
        re.sub(
            r"^layers\.(\d)\.downsample", lambda m: f"layers.{int(m[1]) - 1}.downsample", key
        ): value
        for key, value in net.state_dict().items()
    }
    assert "layers.0.downsample.reduction.weight" in old
    old["layers.0.blocks.1.attn_mask"] = torch.zeros(64, 49, 49)
    old["layers.0.blocks.0.attn.relative_position_index"] = torch.zeros(49, 49)
    torch.save({"model": old}, tmp_path / f"{name}.pth")
    mine, _ = load_published(listed, recipe, tmp_path / f"{name}.pth")
    with torch.inference_mode():
        assert torch.equal(mine(tile[:1]), read_out(net, listed)(tile[:1]))


def test_the_stem_of_ctranspath_is_two_halvings_and_an_embedding(tile):
    stem = build(PATHOLOGY["ctranspath"][1]).patch_embed
    assert [type(part) for part in stem.proj] == 2 * [nn.Conv2d, nn.BatchNorm2d, nn.ReLU] + [
        nn.Conv2d
    ]
    assert stem(tile[:1]).shape == (1, 56, 56, 96)


def test_an_empty_net_takes_its_tensors_from_the_file_and_nothing_stays_empty(tmp_path):
    recipe = TINY["phikon-v2"]
    save_file(random_net(build(recipe)).state_dict(), tmp_path / "timm.safetensors")
    mine, _ = load_published(record(), recipe, tmp_path / "timm.safetensors")
    assert not any(t.is_meta for t in (*mine.parameters(), *mine.buffers()))
    assert not any(parameter.requires_grad for parameter in mine.parameters())


def test_gigapath_loads_from_the_names_of_its_pickled_file_made_small(tile, tmp_path):
    # its card: timm.create_model("vit_giant_patch14_dinov2") of patches of 16 px, gated layers
    authors = random_net(
        timm.create_model(
            "vit_giant_patch14_dinov2",
            num_classes=0,
            img_size=224,
            patch_size=16,
            init_values=1e-5,
            mlp_ratio=5.33334,
            **SMALL,
        )
    )
    torch.save(authors.state_dict(), tmp_path / "pytorch_model.bin")
    listed, recipe = PATHOLOGY["gigapath"]
    small = replace(recipe, settings={**recipe.settings, **SMALL})
    mine, _ = load_published(replace(listed, width=WIDTH), small, tmp_path / "pytorch_model.bin")
    with torch.inference_mode():
        torch.testing.assert_close(mine(tile), authors(tile), rtol=1e-4, atol=1e-5)
    torch.save({"norm.weight": torch.ones(WIDTH)}, tmp_path / "part.bin")
    with pytest.raises(DataContractError, match=r"missing: .*pos_embed"):
        load_published(listed, small, tmp_path / "part.bin")


def test_resnet50_loads_exactly_from_the_names_of_its_published_file(tmp_path):
    authors = random_net(timm.create_model("resnet50"))
    tensors = dict(authors.state_dict())
    save_file(tensors, tmp_path / "model.safetensors")
    name, pixels = "torchvision:resnet50", torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    encoder = load_encoder(name, weights=tmp_path / "model.safetensors")
    assert encoder(pixels).shape == (1, 2048)
    tensors["layer4.2.bn3.extra"] = torch.zeros(1)
    save_file(tensors, tmp_path / "more.safetensors")
    with pytest.raises(DataContractError, match=r"layer4\.2\.bn3\.extra"):
        load_encoder(name, weights=tmp_path / "more.safetensors")
