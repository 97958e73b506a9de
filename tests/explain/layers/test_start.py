"""What transfer learning kept: the network before training, from published weights."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

from histoscribe.explain.layers.start import initial_network, missing_start
from histoscribe.models.base import Facts, create_model
from tests.explain.alike import N_GENES, TILE_PX, predictor_of, random_mlp, with_network
from tests.explain.layers.chance import ask


@pytest.fixture(scope="module")
def fine_tuned(tmp_path_factory):
    """An ST-Net that keeps the weights it started from, but for its last block."""
    from torchvision.models import densenet121

    path = tmp_path_factory.mktemp("published") / "model.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(3)
        save_file(densenet121().state_dict(), path)
        network = create_model("stnet", facts=Facts.plain(N_GENES, tile_px=TILE_PX))
    network.start_from(path)
    predictor = with_network(predictor_of("mlp"), network)
    return replace(predictor, weights={"torchvision:densenet121": path})


def test_a_network_without_published_weights_has_no_start():
    assert initial_network(predictor_of("vit")) is None
    assert missing_start(predictor_of("vit")) is None


def test_missing_weights_of_the_start_are_told(monkeypatch, tmp_path):
    monkeypatch.setenv("HISTOSCRIBE_DATA", str(tmp_path))
    monkeypatch.setenv("HISTOSCRIBE_CACHE", str(tmp_path))
    network = random_mlp(0)
    monkeypatch.setattr(network, "initial_encoder", lambda config: "torchvision:densenet121")
    predictor = with_network(predictor_of("mlp"), network)
    assert initial_network(predictor) is None
    finding = ask(predictor, sections="N0S", tiles=8)
    assert any(
        "from torchvision:densenet121, whose weights are not on this machine" in words
        for words in finding.caveat
    )
    assert "cka_to_start" not in {number.name for number in finding.statistic}


@pytest.mark.slow
def test_kept_weights_are_found(fine_tuned, tmp_path):
    finding = ask(fine_tuned, out=tmp_path / "start", sections="N0S", tiles=8)
    layers = pd.read_csv(tmp_path / "start" / "learned.csv")
    backbone = layers[layers["layer"].str.startswith("network.features")]
    np.testing.assert_allclose(backbone["to_start"], 1, atol=1e-6)
    value, chance = finding.number("cka_to_start").value, finding.chance("cka_to_start")
    assert value > chance.value
