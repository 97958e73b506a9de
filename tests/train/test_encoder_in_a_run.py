"""A run finds the weights of a pathology encoder, records their checksum, and opens them again."""

import pytest
import torch

from histoscribe.encoders.pathology import PATHOLOGY
from histoscribe.encoders.published import build
from histoscribe.errors import DataContractError
from histoscribe.train.run_data import RunData
from histoscribe.train.settings import parse_settings
from histoscribe.types import Cohort

NAME = "gigapath-flash"


@pytest.fixture
def run_data(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    table = {"cohort": "catalog:her2st", "models": ["mean"], "inputs": {"encoder": NAME}}
    settings = parse_settings(table, "settings.toml")
    return RunData(settings, Cohort([]), {}, tmp_path / "cache")


def test_without_its_weights_a_gated_encoder_stops_the_run_with_the_way_to_them(run_data, tmp_path):
    with pytest.raises(DataContractError) as caught:
        run_data.source(None).needs()
    for part in (
        "accept their terms at https://huggingface.co/prov-gigapath/prov-gigapath-flash",
        "`hf download prov-gigapath/prov-gigapath-flash pytorch_model.bin`",
        str(tmp_path / "data" / "weights" / NAME / "pytorch_model.bin"),
    ):
        assert part in str(caught.value)


def test_the_checksum_of_the_weights_is_recorded_and_asked_for_again(run_data, tmp_path):
    state = build(PATHOLOGY[NAME][1]).state_dict()
    snapshot = tmp_path / "hub" / "models--prov-gigapath--prov-gigapath-flash"
    (snapshot / "refs").mkdir(parents=True)
    (snapshot / "refs" / "main").write_text("abc")
    file = snapshot / "snapshots" / "abc" / "pytorch_model.bin"
    file.parent.mkdir(parents=True)
    torch.save(state, file)
    encoder, encoding = run_data.source(None).open(None), run_data.encoding(None, None)
    assert encoding.weights == encoder.weights
    assert encoding.weights.startswith("sha256:")
    again = encoding.open({})
    assert again.identity == encoder.identity
    other = tmp_path / "other.pth"
    torch.save({name: tensor + 1 for name, tensor in state.items()}, other)
    with pytest.raises(DataContractError, match="as in the training of the predictor"):
        encoding.open({NAME: other})
