"""Weights are found in the promised order, and never guessed between."""

import pytest

from histoscribe.errors import DataContractError
from histoscribe.io.weights import cache_folder, find_weights

NAME = "torchvision:squeezenet1_0"


@pytest.fixture
def places(tmp_path, monkeypatch):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    return tmp_path


def _put(folder):
    folder.mkdir(parents=True)
    (folder / "model.safetensors").touch()
    return folder / "model.safetensors"


def test_given_goes_before_data_before_cache(places):
    assert find_weights(NAME) is None
    cached = _put(places / "cache" / "weights" / "squeezenet1_0")
    assert find_weights(NAME) == cached
    data = _put(places / "data" / "weights" / "squeezenet1_0_imagenet")
    assert find_weights(NAME) == data
    assert find_weights(NAME, {NAME: cached}) == cached
    assert find_weights(NAME, {"timm:other": cached}) == data


def test_a_given_file_must_be_there(places):
    with pytest.raises(ValueError, match="there is no file"):
        find_weights(NAME, {NAME: places / "lost.safetensors"})


def test_two_folders_that_fit_are_told_and_an_exact_one_wins(places):
    for ending in ("_a", "_b"):
        _put(places / "data" / "weights" / f"squeezenet1_0{ending}")
    with pytest.raises(DataContractError, match=f"several[\\s\\S]*--weights {NAME}=FILE"):
        find_weights(NAME)
    exact = _put(places / "data" / "weights" / "squeezenet1_0")
    assert find_weights(NAME) == exact


def test_the_cache_has_a_place_without_settings(monkeypatch):
    monkeypatch.delenv("HISTOSCRIBE_CACHE", raising=False)
    assert "histoscribe" in str(cache_folder())
