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


def test_a_backbone_keeps_its_family_in_the_name_of_its_folder(places):
    put = _put(places / "data" / "weights" / "cmt-ti_2022")
    assert find_weights("cmt:ti") == put
    assert find_weights("cmt:xs") is None


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


def test_a_model_is_not_taken_for_another_whose_name_goes_on(places):
    uni2 = _put(places / "data" / "weights" / "uni2-h")
    virchow2 = _put(places / "data" / "weights" / "virchow2")
    assert find_weights("uni") is None
    assert find_weights("virchow") is None
    assert (find_weights("uni2-h"), find_weights("virchow2")) == (uni2, virchow2)


def test_a_file_may_keep_its_name_from_the_hub(places):
    folder = places / "data" / "weights" / "uni"
    folder.mkdir(parents=True)
    (folder / "pytorch_model.bin").touch()
    assert find_weights("uni") is None
    hub = [("MahmoodLab/UNI", "pytorch_model.bin")]
    assert find_weights("uni", hub=hub) == folder / "pytorch_model.bin"
    (folder / "model.safetensors").touch()
    assert find_weights("uni", hub=hub) == folder / "model.safetensors"


def test_what_the_hub_left_in_its_cache_is_found_last_and_without_network(
    places, tmp_path, monkeypatch
):
    from huggingface_hub import constants

    cache = tmp_path / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    model = cache / "models--owkin--phikon"
    hub = [("owkin/phikon", "model.safetensors"), ("owkin/phikon", "pytorch_model.bin")]
    assert find_weights("phikon", hub=hub) is None
    (model / "refs").mkdir(parents=True)
    (model / "refs" / "main").write_text("0123abc")
    snapshot = model / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "pytorch_model.bin").touch()
    assert find_weights("phikon", hub=hub) == snapshot / "pytorch_model.bin"
    put = _put(places / "data" / "weights" / "phikon")
    assert find_weights("phikon", hub=hub) == put


def test_the_cache_has_a_place_without_settings(monkeypatch):
    monkeypatch.delenv("HISTOSCRIBE_CACHE", raising=False)
    assert "histoscribe" in str(cache_folder())
