"""Distance of attention: known answers, the network's own weights, trainings on fewer spots."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn import functional

from histoscribe.errors import DataContractError
from histoscribe.explain.layers.attention_places import grid_um, mean_distance
from histoscribe.explain.layers.attention_taps import attention_tapped
from histoscribe.models.base import create_model
from tests.explain.alike import N_GENES, TILE_PX, alike_cohort, predictor_of
from tests.explain.layers.chance import ask

TILE_UM, SIDE = 120.0, 6


@pytest.fixture
def distance():
    """Distances between the cells of a grid over a tile, um."""
    um = grid_um(SIDE, TILE_UM)
    return torch.cdist(um, um)


def of_weight(weight, distance):
    """Mean distance of one head."""
    return mean_distance(weight[None, None], distance).mean().item()


def test_uniform_attention_reads_over_the_mean_distance_of_all_pairs(distance):
    pitch, at = TILE_UM / SIDE, np.arange(SIDE)
    x = np.subtract.outer(at, at)[:, None, :, None]
    y = np.subtract.outer(at, at)[None, :, None, :]
    expected = pitch * np.sqrt(x**2 + y**2).mean()
    n = SIDE**2
    assert of_weight(torch.full((n, n), 1 / n), distance) == pytest.approx(expected, rel=1e-5)


def test_attention_to_the_own_token_reads_over_no_distance(distance):
    assert of_weight(torch.eye(SIDE**2), distance) == 0


def test_attention_to_neighbours_reads_over_the_pitch(distance):
    pitch = TILE_UM / SIDE
    neighbours = ((distance - pitch).abs() < 1e-3).float()
    assert of_weight(neighbours, distance) == pytest.approx(pitch, rel=1e-5)


def test_tokens_without_a_place_are_left_out(distance):
    half = torch.cat([torch.full((SIDE**2, 1), 0.5), 0.5 * torch.eye(SIDE**2)], dim=1)
    assert of_weight(half[:, 1:], distance) == 0


@pytest.mark.parametrize("name", ["vit", "egn", "tcgn"])
def test_weights_are_those_of_the_network_and_its_output_stays(name):
    settings = {} if name == "vit" else {"sees": "image"} if name == "egn" else {}
    side_px = 32 if name != "tcgn" else 64
    network = create_model(name, N_GENES, tile_px=side_px, preset="tiny", **settings).eval()
    image = torch.randint(0, 255, (2, 3, side_px, side_px), dtype=torch.uint8)
    rows, read = [], {}

    def reader(layer, module, attention):
        every = torch.arange(attention.n_queries)
        read[layer] = torch.cat([weight for _, weight in attention.rows(every)], dim=2)
        rows.append(read[layer].sum(dim=3))

    with torch.no_grad():
        before = network(image=image).expression
        with attention_tapped(network, reader):
            after = network(image=image).expression
    assert torch.equal(before, after)
    assert read
    assert all(torch.allclose(of, torch.ones_like(of), atol=1e-5) for of in rows)
    assert not any(module._forward_hooks for module in network.modules())


def test_weights_times_values_are_what_the_layer_gives():
    network = create_model("vit", N_GENES, tile_px=TILE_PX, preset="tiny").eval()
    attend = network.get_submodule("patches.net.blocks.0.attn")
    tokens, read = torch.randn(2, 16, 32), []
    with torch.no_grad(), attention_tapped(network, lambda *of: read.append(of)):
        given = attend(tokens)
    (name, module, attention), *_ = read
    ((_, weight),) = attention.rows(torch.arange(16))
    value = attend.qkv(tokens)[..., 64:].unflatten(2, (2, 16)).transpose(1, 2)
    expected = functional.linear(
        (weight @ value).transpose(1, 2).flatten(2), attend.proj.weight, attend.proj.bias
    )
    assert module is attend
    assert name == "network.patches.net.blocks.0.attn"
    torch.testing.assert_close(given, expected)


def test_a_section_is_read_over_its_spots_and_pathways_are_left_out(tmp_path):
    finding = ask(predictor_of("stformer"), about="attention", out=tmp_path / "a", sections="N0S")
    um = alike_cohort(0)["N0S"].spots.xy * alike_cohort(0)["N0S"].slide.mpp
    pairs = np.linalg.norm(um[:, None] - um[None], axis=2).mean()
    assert finding.chance("uniform_distance_um").value == pytest.approx(pairs, rel=1e-4)
    heads = pd.read_csv(tmp_path / "a" / "attention.csv")
    assert heads["weight_on_places"].between(0.1, 0.9).all()
    assert any("pathways" in text for text in finding.caveat)


def test_the_model_is_trained_again_on_shares_of_the_spots(tmp_path):
    training = alike_cohort(5)
    finding = ask(
        predictor_of("vit"), seed=5, about="attention", sections="N0S", retrain=True, tiles=8,
        out=tmp_path / "shares",
    )  # fmt: skip
    n = [len(training[name].spots) for name in ("N1S", "N2S")]
    assert finding.about["trainings"].endswith(f"all: {sum(n)} spots")
    names = [number.name for number in finding.statistic]
    assert names[1:4] == [f"attention_distance_{share}_um" for share in ("tenth", "third", "all")]
    heads = pd.read_csv(tmp_path / "shares" / "attention.csv")
    assert set(heads["network"]) == {"trained", "a tenth", "a third", "all"}


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        ("mlp", {}, "has no attention between parts of a tile"),
        ("ridge", {}, "is no network"),
        ("vit", {"layers": "network.patches.net.blocks.0.atn"}, "did you mean"),
        ("vit", {"retrain": True}, "0 patients to train on"),
    ],
)
def test_what_cannot_be_answered_is_refused(model, settings, message):
    with pytest.raises(DataContractError, match=message):
        ask(predictor_of(model), about="attention", **settings)


def test_a_setting_that_similarity_does_not_read_is_refused():
    with pytest.raises(DataContractError, match="about similarity does not read it"):
        ask(predictor_of("vit"), retrain=True)
