"""Weights load exactly, or one message says all that is wrong."""

import hashlib
import pathlib

import pytest
import torch
from safetensors.torch import save_file

from histoscribe import torchvision_guard  # noqa: F401 - before torchvision
from histoscribe.encoders.encoder import load_encoder
from histoscribe.errors import DataContractError

SQUEEZENET = "torchvision:squeezenet1_0"
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@pytest.fixture(scope="module")
def tensors():
    from torchvision.models import get_model

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        return {
            name: value.clone() for name, value in get_model("squeezenet1_0").state_dict().items()
        }


@pytest.fixture
def file(tensors, tmp_path):
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


@pytest.fixture
def tile():
    return torch.randint(0, 256, (1, 3, 64, 64), generator=torch.Generator().manual_seed(1))


def test_the_named_layer_is_averaged_over_the_tile(file, tensors, tile):
    from torchvision.models import get_model

    net = get_model("squeezenet1_0").eval()
    net.load_state_dict(tensors)
    mean, std = (torch.tensor(values)[:, None, None] for values in IMAGENET)
    expected = net.features[:11]((tile / 255 - mean) / std).mean(dim=(2, 3))
    feature = load_encoder(SQUEEZENET, layer="features.10", weights=file)(tile.to(torch.uint8))
    torch.testing.assert_close(feature, expected, rtol=1e-4, atol=1e-5)


def test_the_default_layer_is_the_last_before_the_classifier(file, tile):
    default = load_encoder(SQUEEZENET, weights=file)
    assert default.layer == "default"
    named = load_encoder(SQUEEZENET, layer="features", weights=file)
    assert torch.equal(default(tile.to(torch.uint8)), named(tile.to(torch.uint8)))


def test_every_tensor_that_does_not_fit_stands_in_one_message(tensors, tmp_path):
    wrong = dict(tensors)
    del wrong["features.0.bias"]
    wrong["teacher"] = torch.zeros(2)
    wrong["classifier.1.bias"] = torch.zeros(7)
    save_file(wrong, tmp_path / "wrong.safetensors")
    with pytest.raises(DataContractError) as caught:
        load_encoder(SQUEEZENET, weights=tmp_path / "wrong.safetensors")
    assert len(caught.value.problems) == 3
    for found in ("features.0.bias", "teacher", "classifier.1.bias (7,) for (1000,)"):
        assert found in str(caught.value)


def test_without_weights_an_encoder_is_refused_unless_random_is_asked_for():
    with pytest.raises(DataContractError, match="no weights"):
        load_encoder(SQUEEZENET)
    assert load_encoder(SQUEEZENET, random_seed=0).weights == "random:0"


def test_a_file_and_random_weights_exclude_each_other(file):
    with pytest.raises(DataContractError, match="both"):
        load_encoder(SQUEEZENET, weights=file, random_seed=0)


@pytest.mark.parametrize("name", ["colour_texture", "mean_colour"])
def test_an_encoder_with_nothing_to_load_takes_nothing(name, file):
    with pytest.raises(DataContractError) as caught:
        load_encoder(name, layer="features", weights=file, random_seed=1)
    assert len(caught.value.problems) == 3


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("colour_textur", "colour_texture"),
        ("torchvision:squeezenet1_O", "squeezenet1_0"),
        ("timm:resnet17", "resnet18"),
        ("torchvision:", "torchvision:<model>"),
        ("resnet18", "torchvision:<model>"),
    ],
)
def test_an_unknown_name_gets_the_near_ones(name, near):
    with pytest.raises(DataContractError, match=near):
        load_encoder(name, random_seed=0)


def test_an_unknown_layer_gets_the_near_ones(file):
    with pytest.raises(DataContractError, match=r"features\.10"):
        load_encoder(SQUEEZENET, layer="feature.10", weights=file)


@pytest.mark.parametrize("content", [None, b"", b"not safetensors at all", b"\x10" + b"\0" * 30])
def test_a_file_that_is_no_safetensors_is_named(content, tmp_path):
    path = tmp_path / "model.safetensors"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataContractError, match=r"model\.safetensors"):
        load_encoder(SQUEEZENET, weights=path)


def test_a_truncated_file_is_named(file):
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(DataContractError, match="cannot be read"):
        load_encoder(SQUEEZENET, weights=file)


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_as_it_was():
    before = torch.random.get_rng_state()
    one, same, other = (load_encoder(SQUEEZENET, random_seed=seed) for seed in (1, 1, 2))
    assert torch.equal(before, torch.random.get_rng_state())
    states = [torch.cat([p.flatten() for p in made.parameters()]) for made in (one, same, other)]
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])
    assert one.identity == same.identity != other.identity


def test_a_checksum_names_the_weights(file):
    encoder = load_encoder(SQUEEZENET, weights=file)
    assert encoder.weights == "sha256:" + hashlib.sha256(file.read_bytes()).hexdigest()


@pytest.mark.parametrize("n_classes", [0, 4])
def test_a_timm_file_loads_with_and_without_its_head(n_classes, tmp_path):
    import timm

    net = timm.create_model("resnet18", num_classes=n_classes)
    path = tmp_path / "timm.safetensors"
    save_file(net.state_dict(), path)
    encoder = load_encoder("timm:resnet18", weights=path)
    assert encoder.width == 512
    assert load_encoder("timm:resnet18", layer="layer3", weights=path).width == 256


def test_a_vision_transformer_resizes_to_its_input():
    encoder = load_encoder("timm:vit_tiny_patch16_224", random_seed=0)
    assert encoder.record.input_px == 224
    assert encoder(torch.zeros(1, 3, 96, 96)).shape == (1, 192)


def test_a_timm_model_may_be_named_with_the_tag_of_its_training():
    encoder = load_encoder("timm:resnet18.a1_in1k", random_seed=0)
    assert (encoder.width, encoder.record.licence) == (512, "apache-2.0")
    with pytest.raises(DataContractError, match="no classification net"):
        load_encoder("timm:resnet18.no_such_tag", random_seed=0)


@pytest.mark.parametrize("suffix", [".bin", ".pth", ".pt"])
@pytest.mark.parametrize("wrapper", [None, "model", "state_dict"])
def test_a_checkpoint_of_torch_with_tensors_only_loads_like_safetensors(
    suffix, wrapper, file, tensors, tile, tmp_path
):
    path = tmp_path / f"checkpoint{suffix}"
    torch.save(tensors if wrapper is None else {wrapper: tensors, "epoch": 3}, path)
    loaded = load_encoder(SQUEEZENET, weights=path)
    assert loaded.weights == "sha256:" + hashlib.sha256(path.read_bytes()).hexdigest()
    expected = load_encoder(SQUEEZENET, weights=file)
    assert torch.equal(loaded(tile.to(torch.uint8)), expected(tile.to(torch.uint8)))


class Mischief:
    """What a pickle can do to whoever opens it."""

    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path("touched"),))


def test_a_checkpoint_that_would_run_code_is_refused_and_runs_none(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"model": Mischief()}, tmp_path / "bad.pth")
    with pytest.raises(DataContractError, match=r"bad\.pth: weights that cannot be read") as caught:
        load_encoder(SQUEEZENET, weights=tmp_path / "bad.pth")
    assert "nothing of it was executed" in str(caught.value)
    assert "add_safe_globals" not in str(caught.value), "torch's advice is to trust the file"
    assert not (tmp_path / "touched").exists()


@pytest.mark.parametrize("content", [[1, 2], {}, {"features.0.bias": "text"}])
def test_a_checkpoint_without_a_table_of_tensors_is_refused(content, tmp_path):
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(DataContractError, match="tensors"):
        load_encoder(SQUEEZENET, weights=tmp_path / "other.pt")


def test_half_precision_in_a_file_becomes_single(tensors, tile, tmp_path):
    halved = {name: t.half() if t.is_floating_point() else t for name, t in tensors.items()}
    save_file(halved, tmp_path / "half.safetensors")
    encoder = load_encoder(SQUEEZENET, weights=tmp_path / "half.safetensors")
    assert {p.dtype for p in encoder.parameters()} == {torch.float32}
    assert encoder(tile.to(torch.uint8)).isfinite().all()


@pytest.mark.data
def test_the_real_squeezenet_loads_and_reads_512_features(real_data):
    path = real_data / "weights/squeezenet1_0_imagenet/model.safetensors"
    encoder = load_encoder(SQUEEZENET, layer="features.10", weights=path)
    assert encoder.width == 512
    image = torch.randint(0, 256, (2, 3, 224, 224), dtype=torch.uint8)
    assert encoder(image).shape == (2, 512)
    assert (encoder(image) >= 0).all()  # the layer ends in a rectifier
