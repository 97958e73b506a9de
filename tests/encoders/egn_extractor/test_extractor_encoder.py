"""A trained extractor as a file, and as an encoder like any other."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional

from histoscribe.encoders.catalog import EXTRACTOR
from histoscribe.encoders.egn_extractor.encoder import StyleEncoder, load_extractor, save_extractor
from histoscribe.encoders.egn_extractor.layers import StyleConfig
from histoscribe.encoders.encoder import extractor_encoder, load_encoder
from histoscribe.encoders.trained import is_trained
from histoscribe.errors import DataContractError

SMALL = StyleConfig(window_px=64, width=16, full_width_px=8, encoder_channels=2, code="pooled")


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    net = StyleEncoder(SMALL).eval()
    net.whitening.fit(torch.randn(400, SMALL.n_read))
    return net


@pytest.fixture
def file(net, tmp_path):
    save_extractor(net, tmp_path / "encoder.safetensors")
    return tmp_path / "encoder.safetensors"


def test_what_is_loaded_is_what_was_saved_to_the_bit(net, file):
    loaded, checksum = load_extractor(file)
    assert loaded.config == SMALL
    assert checksum.startswith("sha256:")
    image = torch.randn(2, 3, 64, 64)
    assert torch.equal(loaded(image), net(image))
    assert not torch.equal(loaded(image), loaded.style(image))


def test_pooled_are_the_statistics_of_the_maps(net):
    """By hand, with numpy: mean, deviation, and correlations at the finest scale; all views."""
    image = torch.randn(1, 3, 64, 64)
    views = [half.rot90(n, (2, 3)) for half in (image, image.flip(-1)) for n in range(4)]
    by_hand = np.mean([_statistics(net, view) for view in views], axis=0, dtype=np.float32)
    found = net.raw_features(image)[0]
    torch.testing.assert_close(found, torch.from_numpy(by_hand), rtol=1e-3, atol=1e-4)


def _statistics(net, image):
    maps = functional.leaky_relu(net.colour(image), 0.2) * 2**0.5
    each = [(maps := scale(maps))[0].flatten(1).detach().numpy() for scale in net.scales]
    of_channels = [part for of in each for part in (of.mean(axis=1), of.std(axis=1))]
    return np.concatenate([*of_channels, np.corrcoef(each[0])[np.triu_indices(4, 1)]])


def test_one_net_is_read_in_two_ways(net):
    image = torch.randn(2, 3, 64, 64)
    style = net.read_as("style")
    assert torch.equal(style.style(image), net.style(image))
    views = [half.rot90(n, (2, 3)) for half in (image, image.flip(-1)) for n in range(4)]
    by_hand = torch.stack([net.style(view) for view in views]).mean(dim=0)
    torch.testing.assert_close(style.raw_features(image), by_hand)
    assert torch.equal(style.read_as("pooled").raw_features(image), net.raw_features(image))


def test_equal_extractors_are_equal_files(net, file, tmp_path):
    save_extractor(net, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == file.read_bytes()


def test_the_encoder_sees_windows_in_0_to_255_as_training_did(net, file):
    encoder = load_encoder(EXTRACTOR, weights=file)
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    torch.testing.assert_close(encoder(image), net(image.float() / 127.5 - 1))
    assert encoder.width == SMALL.feature_width == 2 * (4 + 8 + 16 + 16) + 6
    assert StyleConfig().feature_width == StyleConfig(code="pooled").feature_width == 128
    assert encoder.weights == load_extractor(file)[1]
    assert encoder.weights in encoder.identity
    assert is_trained(EXTRACTOR)


def test_a_net_in_memory_is_the_same_encoder_as_its_file(net, file):
    image = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    held = extractor_encoder(net, load_extractor(file)[1])
    opened = load_encoder(EXTRACTOR, weights=file)
    assert held.identity == opened.identity
    assert torch.equal(held(image), opened(image))


def test_a_float_image_gets_its_gradient(file):
    image = torch.full((1, 3, 64, 64), 120.0, requires_grad=True)
    load_encoder(EXTRACTOR, weights=file)(image).sum().backward()
    assert image.grad.abs().sum() > 0


@pytest.mark.parametrize("change", ["missing", "extra", "of another shape"])
def test_a_file_with_other_tensors_is_refused(net, file, tmp_path, change):
    from safetensors import safe_open

    tensors = load_file(file)
    with safe_open(file, framework="pt") as opened:
        metadata = opened.metadata()
    if change == "missing":
        del tensors["colour.bias"]
    elif change == "extra":
        tensors["more"] = torch.zeros(1)
    else:
        tensors["colour.bias"] = torch.zeros(99)
    save_file(tensors, tmp_path / "other.safetensors", metadata=metadata)
    with pytest.raises(DataContractError, match=f"1 {change}"):
        load_extractor(tmp_path / "other.safetensors")


def test_a_file_of_another_net_is_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "model.safetensors")
    with pytest.raises(DataContractError, match="no widths of an extractor"):
        load_extractor(tmp_path / "model.safetensors")


def test_an_extractor_without_a_file_says_how_to_get_one():
    with pytest.raises(DataContractError, match="trains it"):
        load_encoder(EXTRACTOR)
    with pytest.raises(DataContractError) as error:
        load_encoder(EXTRACTOR, layer="scales", random_seed=0)
    assert len(error.value.problems) == 3
