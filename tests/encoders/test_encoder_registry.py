"""What the list of encoders promises, and that its facts are those others published."""

import pytest

from histoscribe.encoders.catalog import (
    hub_files,
    list_encoders,
    missing_weights,
    needs_weights,
    unknown_encoder,
)
from histoscribe.encoders.encoder import load_encoder
from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.encoders.published import build
from histoscribe.errors import DataContractError

RECORDS = {record.name: record for record in list_encoders()}
ASKED_FOR = {
    "ctranspath": 768,
    "gigapath": 1536,
    "hibou-b": 768,
    "hibou-l": 1024,
    "phikon": 768,
    "phikon-v2": 1024,
    "uni": 1024,
    "uni2-h": 1536,
    "virchow": 2560,
    "virchow2": 2560,
    "h-optimus-0": 1536,
    "h-optimus-1": 1536,
    "torchvision:resnet50": 2048,
    "torchvision:densenet121": 1024,
}
KEYS = {"uni2-h": "uni2", "phikon-v2": "phikonv2"}
# lazyslide-models 0.1.0 differs from the models' own cards on the hub
GATED_ON_ITS_CARD = {"h-optimus-0": True, "midnight": False}
MILLIONS = {"M": 1, "B": 1000}


def test_the_encoders_asked_for_are_there_with_their_width():
    assert {name: RECORDS[name].width for name in ASKED_FOR} == ASKED_FOR


def test_names_are_unique_and_groups_lie_together():
    names = [record.name for record in list_encoders()]
    assert len(set(names)) == len(names)
    groups = [record.group for record in list_encoders()]
    assert list(dict.fromkeys(groups)) == ["nothing to load", "general images", "pathology"]
    assert groups == sorted(groups, key=list(dict.fromkeys(groups)).index)


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_record_says_what_a_user_must_know(record):
    assert record.width > 0
    assert record.licence
    assert record.paper
    assert isinstance(record.gated, bool)
    assert record.hub is not None or not record.gated  # else nobody could say where to ask
    assert all(0 < value < 1 for value in record.std) or not record.needs_weights
    assert needs_weights(record.name) == record.needs_weights


@pytest.mark.parametrize("name", PATHOLOGY)
def test_width_licence_and_gate_are_those_of_lazyslide(name):
    registry = pytest.importorskip("lazyslide_models").MODEL_REGISTRY
    record, theirs = RECORDS[name], registry[KEYS.get(name, name)]
    assert record.width == theirs.encode_dim
    assert record.gated == GATED_ON_ITS_CARD.get(name, theirs.is_gated)
    first = record.licence.replace("-", " ").split(";")[0].split()[0].lower()
    assert theirs.license.replace("-", " ").lower().startswith(first)
    if theirs.hf_url is not None and name != "hibou-l":  # there, it links to hibou-b
        assert theirs.hf_url.endswith(str(record.hub))


@pytest.mark.parametrize("name", PATHOLOGY)
def test_a_net_is_built_without_weights_and_has_as_many_parameters_as_published(name):
    registry = pytest.importorskip("lazyslide_models").MODEL_REGISTRY
    size = registry[KEYS.get(name, name)].param_size
    recipe = PATHOLOGY[name][1]
    net = build(recipe, empty=True)
    assert all(parameter.is_meta for parameter in net.parameters())
    if recipe.net.startswith("vit_"):  # these take their tensors from the file, and have no others
        assert list(net.buffers()) == []
    if size is not None:
        n_millions = sum(parameter.numel() for parameter in net.parameters()) / 1e6
        # 4 %: they count in two to four digits, and Lunit's smallest by another rule
        assert n_millions == pytest.approx(float(size[:-1]) * MILLIONS[size[-1]], rel=0.04)


@pytest.mark.parametrize("name", PATHOLOGY)
def test_without_weights_one_message_says_terms_and_way(name, tmp_path):
    record = RECORDS[name]
    problem = missing_weights(name, [tmp_path / name / "model.safetensors"])
    message = str(problem)
    for part in (record.licence, str(tmp_path), f"--weights {name}=FILE"):
        assert part in message
    if record.hub is not None:
        assert f"`hf download {record.hub}" in message
    gate = f"accept their terms at https://huggingface.co/{record.hub}"
    assert (gate in message, "`hf auth login`" in message) == (record.gated, record.gated)
    with pytest.raises(DataContractError, match="no weights"):
        load_encoder(name)


def test_where_the_hub_has_weights_follows_from_the_name():
    assert hub_files("uni") == (("MahmoodLab/UNI", "pytorch_model.bin"),)
    assert hub_files("timm:resnet18.a1_in1k") == (("timm/resnet18.a1_in1k", "model.safetensors"),)
    assert hub_files("timm:resnet18") == hub_files("torchvision:resnet18") == hub_files("x") == ()
    assert [needs_weights(name) for name in ("mean_colour", "timm:x", "uni", "x")] == [
        False,
        True,
        True,
        False,
    ]


def test_a_name_without_its_library_or_in_other_letters_is_recognised():
    assert unknown_encoder("resnet50").remedy == "did you mean torchvision:resnet50?"
    for written in ("CTransPath", "GigaPath", "Phikon", "Hibou-B"):
        assert written.lower() in unknown_encoder(written).remedy


def test_a_layer_of_a_published_encoder_is_refused():
    with pytest.raises(DataContractError, match=r"layer 'blocks\.3'"):
        load_encoder("uni", layer="blocks.3", random_seed=0)
